# The instances.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                     = "n"
  existing_arn             = null
  network_key              = "three zones"
  key_mode                 = "aws_owned"
  log_retention_days       = 30
  partition                = "aws"
  region                   = "us-east-1"
  account_id               = "123456789012"
  permissions_boundary_arn = null
  subnet_ids               = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_ids       = ["sg-1"]
  architecture             = "arm64"
  allowed_instance_types   = null
  excluded_instance_types  = null
  scaling_mode             = "Auto"
  target_cpu_percent       = 50
  max_vcpu_count           = 32
  encrypted                = false
  kms_key_arn              = null
}

run "own" {
  module {
    source = "./modules/capacity_provider"
  }

  assert {
    condition     = length(one(aws_lambda_capacity_provider.this[0].vpc_config).subnet_ids) == 3 && one(aws_lambda_capacity_provider.this[0].permissions_config).capacity_provider_operator_role_arn == aws_iam_role.operator[0].arn && output.name == aws_lambda_capacity_provider.this[0].name
    error_message = "The provider must have the network and the operator role."
  }
  assert {
    condition     = aws_lambda_capacity_provider.this[0].capacity_provider_scaling_config[0].scaling_mode == "Auto" && aws_lambda_capacity_provider.this[0].capacity_provider_scaling_config[0].max_vcpu_count == 32 && try(length(aws_lambda_capacity_provider.this[0].capacity_provider_scaling_config[0].scaling_policies), 0) == 0
    error_message = "Auto scaling has a ceiling and no policy."
  }
  assert {
    condition     = aws_lambda_capacity_provider.this[0].instance_requirements[0].architectures == tolist(["arm64"]) && aws_lambda_capacity_provider.this[0].kms_key_arn == null && length(aws_iam_role_policy.volumes) == 0
    error_message = "The instances must be of the architecture that the executable is for."
  }
  assert {
    condition     = jsondecode(aws_iam_role.operator[0].assume_role_policy).Statement[0].Principal.Service == "lambda.amazonaws.com" && jsondecode(aws_iam_role.operator[0].assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Only Lambda may take the operator role, and only for this account."
  }
  assert {
    condition     = aws_iam_role_policy_attachment.operator[0].policy_arn == "arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator"
    error_message = "The operator role must have AWS's policy."
  }
}

run "another_name_for_what_cannot_be_changed" {
  command = plan
  module {
    source = "./modules/capacity_provider"
  }
  variables {
    network_key    = "two zones"
    max_vcpu_count = 64
  }

  assert {
    condition     = output.name != run.own.name && startswith(output.name, "n-")
    error_message = "In another network another provider must be made, beside the one that functions are attached to."
  }
}

run "the_same_name_for_what_can" {
  command = plan
  module {
    source = "./modules/capacity_provider"
  }
  variables {
    max_vcpu_count     = 64
    scaling_mode       = "Manual"
    target_cpu_percent = 70
  }

  assert {
    condition     = output.name == run.own.name && aws_cloudwatch_log_group.provider[0].name == "/aws/lambda/capacity-provider/${output.name}" && aws_cloudwatch_log_group.provider[0].retention_in_days == 30
    error_message = "Scaling changes in place, and Lambda's own log of the instances must not be kept for ever."
  }
}

run "manual_with_chosen_instances_and_a_key" {
  module {
    source = "./modules/capacity_provider"
  }
  variables {
    scaling_mode             = "Manual"
    target_cpu_percent       = 65
    architecture             = "x86_64"
    allowed_instance_types   = ["c8i.xlarge", "c7i.xlarge"]
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    encrypted                = true
    kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:key/k"
  }

  assert {
    condition     = aws_lambda_capacity_provider.this[0].capacity_provider_scaling_config[0].scaling_policies[0].target_value == 65 && aws_lambda_capacity_provider.this[0].capacity_provider_scaling_config[0].scaling_policies[0].predefined_metric_type == "LambdaCapacityProviderAverageCPUUtilization"
    error_message = "Manual scaling must aim at the target."
  }
  assert {
    condition     = aws_lambda_capacity_provider.this[0].instance_requirements[0].allowed_instance_types == tolist(["c8i.xlarge", "c7i.xlarge"]) && aws_iam_role.operator[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "Types and boundary must be as asked for."
  }
  assert {
    condition     = aws_lambda_capacity_provider.this[0].kms_key_arn == var.kms_key_arn && alltrue([for statement in jsondecode(aws_iam_role_policy.volumes[0].policy).Statement : statement.Resource == [var.kms_key_arn] && !strcontains(join(" ", statement.Action), "*")])
    error_message = "The key must encrypt the volumes, and the operator may use that key only."
  }
}

run "existing" {
  module {
    source = "./modules/capacity_provider"
  }
  variables {
    existing_arn = "arn:aws:lambda:us-east-1:123456789012:capacity-provider:shared"
  }

  assert {
    condition     = length(aws_lambda_capacity_provider.this) == 0 && length(aws_iam_role.operator) == 0 && output.arn == "arn:aws:lambda:us-east-1:123456789012:capacity-provider:shared" && output.name == "shared"
    error_message = "The existing provider must be used, and nothing be made."
  }
}
