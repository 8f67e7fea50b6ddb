"""The functions of Terraform's language, one module per family; `registry` is the way to call them."""
