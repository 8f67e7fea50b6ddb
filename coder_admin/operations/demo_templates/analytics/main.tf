# A pool with a flaw, on purpose: the volume is named after the owner, so every claim replaces it.
# Coder Admin shows the replacement in the build log, counts it and tells the template admins.
terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
    random = {
      source = "hashicorp/random"
    }
  }
}

data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

data "coder_parameter" "dataset" {
  name         = "dataset"
  display_name = "Data set"
  type         = "string"
  default      = "sales"
  mutable      = true
  option {
    name  = "Sales"
    value = "sales"
  }
  option {
    name  = "Web traffic"
    value = "traffic"
  }
}

data "coder_workspace_preset" "sales" {
  name        = "Sales notebook"
  description = "A notebook with last month's sales."
  default     = true
  parameters = {
    dataset = "sales"
  }
  prebuilds {
    instances = 1
  }
}

resource "random_id" "volume" {
  byte_length = 4
  keepers = {
    owner = data.coder_workspace_owner.me.name
  }
}

resource "coder_agent" "main" {
  os             = "linux"
  arch           = "amd64"
  startup_script = <<-EOT
    mkdir -p notebooks
    echo "Volume ${random_id.volume.hex} with ${data.coder_parameter.dataset.value}" | tee notebooks/volume.txt
  EOT
}

resource "coder_metadata" "volume" {
  resource_id = random_id.volume.id
  item {
    key   = "volume"
    value = random_id.volume.hex
  }
}
