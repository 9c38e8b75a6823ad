# The alarms with all defaults, for `make drill`, which reads them from what `terraform test -json -verbose` prints.
# Apart from the tests: these run what is in their own folder only.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  package_file = "versions.tf" # any file will do where nothing is uploaded
}

run "alarms" {
  assert {
    condition     = length(module.observability.alarms) > 0
    error_message = "There must be alarms."
  }
}
