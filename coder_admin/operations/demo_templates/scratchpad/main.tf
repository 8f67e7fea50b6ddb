# The smallest useful template: one agent, one folder, one pool of one.
terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

data "coder_workspace_preset" "ready" {
  name        = "Ready to use"
  description = "An empty scratchpad, one kept warm at any time."
  default     = true
  prebuilds {
    instances = 1
  }
}

resource "coder_agent" "main" {
  os   = "linux"
  arch = "amd64"
  env = {
    GIT_AUTHOR_NAME  = data.coder_workspace_owner.me.full_name
    GIT_AUTHOR_EMAIL = data.coder_workspace_owner.me.email
  }
  startup_script = <<-EOT
    echo "Preparing a scratchpad for $CODER_WORKSPACE_OWNER_NAME"
    mkdir -p notes
    echo "This scratchpad belongs to $CODER_WORKSPACE_OWNER_NAME." > notes/README.md
    echo "Done"
  EOT
}

resource "terraform_data" "disk" {
  count = data.coder_workspace.me.start_count
  input = "10 GiB"
}

resource "coder_metadata" "disk" {
  count       = data.coder_workspace.me.start_count
  resource_id = terraform_data.disk[0].id
  item {
    key   = "size"
    value = terraform_data.disk[0].output
  }
}
