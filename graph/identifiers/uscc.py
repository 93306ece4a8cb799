"""统一社会信用代码 (GB 32100-2015) and the 组织机构代码 (GB 11714-1997) inside it."""

import re
import unicodedata

from graph.problems import BadValue

# GB 32100-2015: 31 characters; I, O, Z, S and V are left out because they are misread.
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WEIGHTS = tuple(pow(3, i, 31) for i in range(17))
ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
MISREAD = {"I": "数字 1", "O": "数字 0", "Z": "数字 2", "S": "数字 5", "V": "字母 U 或 Y"}
DROPPED = re.compile(r"[\s\-‐–'’`]+")
LABEL = re.compile(r"^(?:统一)?(?:社会)?信用代码:?")
SCIENTIFIC = re.compile(r"[0-9]\.[0-9]+E\+?[0-9]{2}")
KEPT_AS_NUMBER = "；若该列曾按数字保存，表格只留前 15 位，请把该列设为文本再重新填写"


def uscc_check_digit(first17: str) -> str:
    """Character 18 for the first 17: (31 − Σ value·3^i mod 31) mod 31 (GB 32100-2015, 5.2).

    Raises ``ValueError`` unless given 17 characters of ``ALPHABET``.
    """
    if len(first17) != 17:
        raise ValueError("17 characters are needed")
    total = sum(ALPHABET.index(c) * w for c, w in zip(first17, WEIGHTS, strict=True))
    return ALPHABET[-total % 31]


def organisation_check_digit(first8: str) -> str:
    """Character 9 of an organisation code for its first 8: 11 − Σ mod 11; 10 is X, 11 is 0 (GB 11714-1997).

    Raises ``ValueError`` unless given 8 characters from 0–9 and A–Z.
    """
    if len(first8) != 8:
        raise ValueError("8 characters are needed")
    total = sum(ORGANISATION_ALPHABET.index(c) * w for c, w in zip(first8, ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X"[-total % 11]


def parse_uscc(text: str) -> str:
    """The 18 characters of a credit code, upper case; full-width forms, spaces and hyphens are mended.

    Both checks must hold: character 18 (GB 32100-2015) and character 17, which closes the embedded
    organisation code (GB 11714-1997). Raises ``BadValue`` otherwise, with the expected character.
    """
    code = DROPPED.sub("", unicodedata.normalize("NFKC", text)).upper()
    code = LABEL.sub("", code).strip(":;,.、。")
    _check_characters(code)
    organisation = organisation_check_digit(code[8:16])
    last = uscc_check_digit(code[:17])
    hint = KEPT_AS_NUMBER if code.isdigit() else ""
    if code[16] != organisation and code[17] != last:
        raise BadValue(
            "uscc_check_digit",
            f"统一社会信用代码“{code}”的两个校验位（第 17、18 位）都不对",
            "多半是第 9–17 位抄错了一位，请对照营业执照或法人证书核对；"
            f"若前 16 位无误，第 17 位应为 {organisation}{hint}",
        )
    if code[17] != last:
        raise BadValue(
            "uscc_check_digit",
            f"统一社会信用代码“{code}”的校验位（第 18 位）不对：应为 {last}，写的是 {code[17]}",
            f"请对照营业执照或法人证书逐位核对；若前 17 位无误，应为 {code[:17]}{last}{hint}",
        )
    if code[16] != organisation:
        raise BadValue(
            "uscc_organisation_check_digit",
            f"统一社会信用代码“{code}”第 17 位（组织机构代码校验位）不对："
            f"应为 {organisation}，写的是 {code[16]}",
            f"请对照营业执照或法人证书核对第 9–18 位{hint}",
        )
    return code


def _check_characters(code: str) -> None:
    shown = code[:30]
    if SCIENTIFIC.fullmatch(code):
        raise BadValue(
            "uscc_scientific_notation",
            f"统一社会信用代码被表格软件改成了科学计数法“{shown}”",
            "请把该列设为文本格式，再对照营业执照或法人证书重新填写",
        )
    if len(code) != 18:
        raise BadValue(
            "uscc_length",
            f"统一社会信用代码应有 18 位，“{shown}”有 {len(code)} 位",
            "请对照营业执照或法人证书补全；旧的组织机构代码（9 位）、注册号（15 位）不能代替",
        )
    for position, character in enumerate(code, start=1):
        if character in MISREAD:
            # At the end the rule itself says which character was meant.
            meant = f" {uscc_check_digit(code[:17])}" if position == 18 else MISREAD[character]
            raise BadValue(
                "uscc_misread_letter",
                f"统一社会信用代码“{shown}”第 {position} 位是字母 {character}，这种代码不使用 I、O、Z、S、V",
                f"请核对第 {position} 位，可能是{meant}",
            )
        if character not in ALPHABET:
            raise BadValue(
                "uscc_character",
                f"统一社会信用代码“{shown}”第 {position} 位“{character}”不是数字或大写字母",
                f"请核对第 {position} 位，只填数字和字母",
            )
        if 3 <= position <= 8 and character not in "0123456789":
            raise BadValue(
                "uscc_district",
                f"统一社会信用代码“{shown}”第 {position} 位是 {character}，应为数字",
                "第 3–8 位是登记机关的行政区划码，请对照营业执照或法人证书核对",
            )
