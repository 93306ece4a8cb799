"""The small world of these tests, and an encoder that takes no time."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.unit_rows import unit_rows

SCENES = """编号,名称,产业领域,所在区,建设单位,场景简介,技术难点,技术指标,成熟度要求,预算（万元）,截止日期,状态,可见范围,联系人,联系方式
CJ-1,海岛无人机送药,低空经济,万山区,澜川海岛发展有限公司,向外岛卫生院送急救药品和血样,海上阵风大，现有机型抗风不足,抗风等级≥7级；航程≥30km,TRL6,200,2099-12-31,在推,公开,陈工,0756-5551001
CJ-2,院内药品配送机器人,大健康,香洲区,凤屿人民医院,从药房向病区送药，自己乘电梯,电梯高峰等候时间长,载重≥100kg,TRL8,90,2020-01-31,在推,内部,后勤处,0756-5551002
CJ-3,网箱鱼苗计数,海洋经济,万山区,,放苗时人工点数太慢,,计数准确率≥95%,,,,储备,公开,,
"""
ACHIEVEMENTS = """编号,名称,产业领域,所在区,完成单位,完成人,成果简介,技术指标,成熟度,知识产权状态,意向价格（万元）,可见范围
CG-1,抗七级风垂直起降固定翼无人机,低空经济,高新区,云岬航空科技有限公司,程屿舟,复合翼无人机，向海岛投送药品,抗风等级7级；航程45km,TRL8,已授权,260,公开
CG-2,病区送药机器人,大健康,香洲区,粤海湾理工大学,舒曼,自主乘梯，向病区配送药品,载重120kg,TRL7,实质审查中,80,公开
CG-3,鱼苗视觉计数仪,海洋经济,市外,粤海湾理工大学,,吸鱼泵出口逐尾计数,计数准确率97%,中试,未申请,,合作方
CG-4,海岛微电网能量管理,绿色新能源,万山区,,,光储柴协同调度,,TRL5,已授权,,内部
"""
ENTERPRISES = """编号,名称,产业领域,所在区,主营产品,核心能力,可见范围
QY-1,云岬航空科技有限公司,低空经济,高新区,垂直起降固定翼货运无人机,海岛投送航线运营,公开
QY-2,澜川海岛发展有限公司,海洋经济,万山区,海岛旅游与补给,,公开
"""
BROKERS = """编号,姓名,等级,所在机构,专业领域,擅长场景,累计成交,在办项目,承载上限,可见范围
JJ-1,温礼舟,高级技术经理人,渡成技术转移有限公司,低空经济,海岛物流,30,2,10,公开
JJ-2,邱予安,中级技术经纪人,桂屿研究院,海洋经济,海洋牧场,8,8,8,内部
"""
RELATIONS = """起点类型,起点编号,关系,终点类型,终点编号,说明
企业,QY-2,发布,场景,CJ-1,首批
企业,QY-1,拥有,成果,CG-1,
经纪人,JJ-1,服务,场景,CJ-1,内部商定
经纪人,JJ-2,服务,成果,CG-3,
经纪人,JJ-2,服务,成果,CG-4,
经纪人,JJ-2,服务,场景,CJ-3,
"""
WORLD = {
    "场景.csv": SCENES, "成果.csv": ACHIEVEMENTS, "企业.csv": ENTERPRISES, "经纪人.csv": BROKERS, "关系.csv": RELATIONS,
}  # fmt: skip


class BigramEncoder:
    """Sums a fixed random direction per pair of neighbouring characters: like texts get like vectors."""

    identity = "bigrams/1"
    dimension = 32

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return unit_rows(texts, self.dimension, 500, self._encode)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return unit_rows(texts, self.dimension, 500, self._encode)

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        rows = np.stack([sum(self._directions(text), np.zeros(self.dimension)) for text in texts])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def _directions(self, text: str) -> Iterator[NDArray[np.float64]]:
        for start in range(len(text)):
            pair = text[start : start + 2]
            seed = int.from_bytes(hashlib.blake2b(pair.encode(), digest_size=8).digest())
            yield np.random.default_rng(seed).standard_normal(self.dimension)
