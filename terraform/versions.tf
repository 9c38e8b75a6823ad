terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.29: functions above 10,240 MiB; 6.54: aws_lambda_function_scaling_config.
      version = "~> 6.54"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = merge({ application = var.name, managed-by = "terraform" }, var.tags)
  }
}
