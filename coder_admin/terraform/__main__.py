"""`python -m coder_admin.terraform`."""

import sys

from coder_admin.terraform.commands import main

sys.exit(main())
