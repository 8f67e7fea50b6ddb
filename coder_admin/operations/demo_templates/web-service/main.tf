# Parameters that depend on each other, presets with pools, and a schedule for office hours.
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

locals {
  toolchains = {
    go     = { label = "Go", versions = ["1.25", "1.24"] }
    python = { label = "Python", versions = ["3.13", "3.12", "3.11"] }
    rust   = { label = "Rust", versions = ["1.95"] }
  }
  language = data.coder_parameter.language.value
}

data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

data "coder_parameter" "language" {
  name         = "language"
  display_name = "Language"
  description  = "Decides which versions and tools are offered below."
  type         = "string"
  form_type    = "radio"
  default      = "go"
  mutable      = true
  order        = 1

  dynamic "option" {
    for_each = local.toolchains
    content {
      name  = option.value.label
      value = option.key
    }
  }
}

data "coder_parameter" "version" {
  name         = "version"
  display_name = "${local.toolchains[local.language].label} version"
  type         = "string"
  form_type    = "dropdown"
  default      = local.toolchains[local.language].versions[0]
  mutable      = true
  order        = 2

  dynamic "option" {
    for_each = local.toolchains[local.language].versions
    content {
      name  = option.value
      value = option.value
    }
  }
}

data "coder_parameter" "cpu" {
  name         = "cpu"
  display_name = "CPU cores"
  type         = "number"
  form_type    = "slider"
  default      = 2
  mutable      = true
  order        = 3
  validation {
    min   = 1
    max   = 16
    error = "Choose between {min} and {max} cores."
  }
}

data "coder_parameter" "database" {
  name         = "database"
  display_name = "Add a database"
  type         = "bool"
  form_type    = "switch"
  default      = false
  mutable      = true
  order        = 4
}

# Only there while a database is wanted.
data "coder_parameter" "database_size" {
  count        = data.coder_parameter.database.value == "true" ? 1 : 0
  name         = "database_size"
  display_name = "Database size (GiB)"
  type         = "number"
  default      = 5
  mutable      = true
  order        = 5
  validation {
    min = 1
    max = 100
  }
}

data "coder_parameter" "extras" {
  name         = "extras"
  display_name = "Extra tools"
  type         = "list(string)"
  form_type    = "multi-select"
  default      = jsonencode(["git-lfs"])
  mutable      = true
  order        = 6

  dynamic "option" {
    for_each = ["git-lfs", "protobuf", "kubectl", "terraform"]
    content {
      name  = option.value
      value = option.value
    }
  }
}

data "coder_workspace_preset" "small" {
  name        = "Small"
  description = "Two cores and Go: what most people take."
  default     = true
  parameters = {
    language = "go"
    version  = "1.25"
    cpu      = "2"
    database = "false"
  }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "Europe/Berlin"
      schedule {
        cron      = "* 8-18 * * 1-5"
        instances = 2
      }
    }
  }
}

data "coder_workspace_preset" "large" {
  name        = "Large with database"
  description = "Eight cores, Python and a database; built when asked for."
  parameters = {
    language      = "python"
    version       = "3.13"
    cpu           = "8"
    database      = "true"
    database_size = "20"
  }
}

resource "random_pet" "service" {
  length = 2
}

resource "coder_agent" "main" {
  os   = "linux"
  arch = "amd64"
  env = {
    SERVICE_NAME = random_pet.service.id
    LANGUAGE     = local.language
  }
  metadata {
    display_name = "Load"
    key          = "load"
    script       = "cut -d' ' -f1 /proc/loadavg"
    interval     = 30
    timeout      = 5
  }
}

resource "coder_script" "clone" {
  agent_id           = coder_agent.main.id
  display_name       = "Get the sources"
  run_on_start       = true
  start_blocks_login = true
  script             = <<-EOT
    #!/bin/sh
    set -e
    mkdir -p src
    echo "Fetching $SERVICE_NAME"
    printf 'service: %s\nlanguage: %s\n' "$SERVICE_NAME" "$LANGUAGE" > src/service.yaml
    echo "Sources are in src/"
  EOT
}

resource "coder_script" "cleanup" {
  agent_id     = coder_agent.main.id
  display_name = "Clean up"
  run_on_stop  = true
  script       = "rm -rf src/build"
}

resource "coder_env" "editor" {
  agent_id = coder_agent.main.id
  name     = "EDITOR"
  value    = "vi"
}

resource "coder_app" "docs" {
  agent_id     = coder_agent.main.id
  slug         = "docs"
  display_name = "Service handbook"
  url          = "https://example.com/handbook/${random_pet.service.id}"
  external     = true
}

resource "terraform_data" "database" {
  count = data.coder_parameter.database.value == "true" ? data.coder_workspace.me.start_count : 0
  input = {
    size_gib = try(data.coder_parameter.database_size[0].value, 0)
  }
}
