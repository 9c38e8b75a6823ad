# The parts together, in each kind of network and encryption.

mock_provider "aws" {
  source = "./tests/aws"
}

override_resource {
  target = module.queue.aws_sqs_queue.jobs
  values = { arn = "arn:aws:sqs:us-east-1:123456789012:nearline-jobs", url = "https://sqs.us-east-1.amazonaws.com/123456789012/nearline-jobs" }
}

override_resource {
  target = module.queue.aws_sqs_queue.dead_letters
  values = { arn = "arn:aws:sqs:us-east-1:123456789012:nearline-dead-letters", url = "https://sqs.us-east-1.amazonaws.com/123456789012/nearline-dead-letters" }
}

variables {
  package_file = "versions.tf" # any file will do where nothing is uploaded
}

run "by_default" {
  assert {
    condition     = output.queue_url == "https://sqs.us-east-1.amazonaws.com/123456789012/nearline-jobs" && output.dead_letter_queue_arn == "arn:aws:sqs:us-east-1:123456789012:nearline-dead-letters" && output.results_table == "nearline-results" && output.alias_arn == "arn:aws:lambda:us-east-1:123456789012:function:made:live"
    error_message = "Producers and readers must be told where to send and read."
  }
  assert {
    condition     = output.bucket == "nearline-123456789012-us-east-1" && output.catalog == "s3://nearline-123456789012-us-east-1/catalog" && startswith(output.capacity_provider, "nearline-") && output.kms_key_arn == null
    error_message = "The bucket must be named after account and region."
  }
  assert {
    condition     = output.mapping_maximum_concurrency == 48 * 16 # 96 vCPUs, 2 for an environment, 8 invocations for each
    error_message = "The mapping must not send more than the instances can ever serve."
  }
  assert {
    condition     = output.interface_endpoints == toset(["bedrock-runtime", "logs", "sqs", "xray"])
    error_message = "Without a way to the internet, every service that is called needs an endpoint."
  }
  assert {
    condition = output.settings == join("\n", [
      "AWS_REGION=us-east-1",
      "NEARLINE_CATALOG=s3://nearline-123456789012-us-east-1/catalog",
      "NEARLINE_DEAD_LETTER_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/nearline-dead-letters",
      "NEARLINE_EMBEDDING_DIMENSION=384",
      "NEARLINE_EMBEDDING_MODEL=amazon.nova-2-multimodal-embeddings-v1:0",
      "NEARLINE_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/nearline-jobs",
      "NEARLINE_RESULTS_BUCKET=nearline-123456789012-us-east-1",
      "NEARLINE_RESULTS_TABLE=nearline-results",
    ])
    error_message = "The command line must be told the same as the worker."
  }
}

run "nat_and_a_key_of_its_own" {
  variables {
    networking_mode = "nat"
    kms_mode        = "customer_managed"
  }
  assert {
    condition     = length(output.interface_endpoints) == 0 && output.kms_key_arn == "arn:aws:kms:us-east-1:123456789012:key/made"
    error_message = "With NAT gateways no interface endpoints are needed."
  }
}

run "public_and_a_given_key" {
  variables {
    networking_mode = "public"
    kms_mode        = "arn:aws:kms:us-east-1:123456789012:key/mine"
  }
  assert {
    condition     = output.kms_key_arn == "arn:aws:kms:us-east-1:123456789012:key/mine" && output.vpc_id != null
    error_message = "The given key must be used."
  }
}

run "existing_network" {
  variables {
    networking_mode             = "existing"
    existing_subnet_ids         = ["subnet-1", "subnet-2"]
    existing_security_group_ids = ["sg-1"]
  }
  assert {
    condition     = output.vpc_id == null && startswith(output.capacity_provider, "nearline-")
    error_message = "No VPC must be made, but a capacity provider in the existing one."
  }
}

run "existing_capacity_provider" {
  variables {
    networking_mode       = "existing"
    capacity_provider_arn = "arn:aws:lambda:us-east-1:123456789012:capacity-provider:shared"
  }
  assert {
    condition     = output.vpc_id == null && output.capacity_provider == "shared"
    error_message = "The function must be attached to the existing provider."
  }
}

run "standard_lambda" {
  variables {
    compute = "standard"
  }
  assert {
    condition     = output.mapping_maximum_concurrency == null
    error_message = "A standard function has the limits of the account."
  }
  assert {
    condition     = output.capacity_provider == null && output.interface_endpoints == toset(["bedrock-runtime", "sqs"])
    error_message = "A standard function has no provider, and its logs do not pass its VPC."
  }
}

run "standard_lambda_without_a_vpc" {
  variables {
    compute         = "standard"
    networking_mode = "public"
    architecture    = "x86_64"
  }
  assert {
    condition     = output.capacity_provider == null
    error_message = "A standard function has no provider."
  }
}

run "an_application_profile" {
  variables {
    embedding_model        = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    embedding_model_family = "amazon.titan-embed-text-v2:0"
    embedding_dimension    = 512
  }
  assert {
    condition     = strcontains(output.settings, "NEARLINE_EMBEDDING_MODEL_FAMILY=amazon.titan-embed-text-v2:0") && strcontains(output.settings, "/abc123")
    error_message = "The worker must be told what to call and which model it is."
  }
}

run "fifo_and_everything_else" {
  variables {
    name                                = "shop-search"
    fifo_queue                          = true
    producer_arns                       = ["arn:aws:iam::210987654321:role/shop"]
    availability_zones                  = ["us-east-1a", "us-east-1c"]
    memory_mib                          = 16384
    memory_gib_per_vcpu                 = 8
    execution_environments              = { min = 2, max = 6 }
    scaling_mode                        = "Manual"
    target_cpu_percent                  = 70
    provisioned_pollers                 = { min = 2, max = 10 }
    stream_view_type                    = "NEW_IMAGE"
    warm_throughput                     = { read = 12000, write = 8000 }
    embedding_model                     = "us.cohere.embed-v4:0"
    embedding_dimension                 = 1024
    embedding_requests_per_minute       = 600
    embedding_fleet_requests_per_minute = 3000
    embedding_service_tier              = "flex"
    search_threads                      = 2
    alarm_emails                        = ["on-call@example.com"]
  }
  assert {
    condition     = output.mapping_maximum_concurrency == null
    error_message = "Pollers of its own exclude a maximum."
  }
  assert {
    condition     = output.bucket == "shop-search-123456789012-us-east-1" && output.results_stream_arn != null && strcontains(output.settings, "NEARLINE_EMBEDDING_MODEL=us.cohere.embed-v4:0")
    error_message = "Everything must follow the name and the model."
  }
}

run "metrics_of_the_workers_own" {
  variables {
    metrics = "emf"
  }
  assert {
    condition     = local.worker_settings["NEARLINE_METRICS"] == "emf" && local.worker_settings["NEARLINE_METRICS_NAMESPACE"] == module.observability.namespace
    error_message = "The worker must tell its metrics in the namespace that alarms watch."
  }
}
