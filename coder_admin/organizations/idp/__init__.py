"""What an identity provider says about people, and what follows from it here (reference section 4.3, 4.4).

`claims`, `config` and `plan` are pure: claims + settings + what is stored now → a plan of changes. `store`
keeps the settings, `loading` reads what is stored now, `apply` carries a plan out in one transaction.
"""
