"""Names, and what people type for them: other case, no accents, marks that look alike, another order of words."""

ALIKE = {
    "O\u2019Quill": ("o'quill", "OQUILL", "o\u02bcquill", "o`quill"),
    "O'Neil": ("oneil", "O\u2019NEIL", "o\uff07neil", "neil"),
    "Wei\u00dfbach": ("weissbach", "WEISSBACH", "wei\u00dfbach", "wei\u1e9ebach"),
    "Ann\u2011Marie": ("ann-marie", "ann marie", "marie ann", "ann\u2013marie"),
    "J\u00f8rgen \u00c6gir \u0141uk": ("jorgen aegir luk", "j\u00f8rgen", "\u0141UK", "aegir  jorgen"),
    "Zoe\u0308 Cr\u0153ur": ("zo\u00eb", "ZOE croeur", "zoe\u0308", "\u0153ur"),
    "Bo\u200bris\u00ad Lee": ("boris lee", "bo\u200bris", "lee boris", "boris\u00a0\u00a0lee"),
}
