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
    condition     = output.mapping_maximum_concurrency == 24 * 24 # 96 vCPUs are 24 instances with an environment of 3 vCPUs each, 8 invocations for each of these
    error_message = "The mapping must not send more than the instances can ever serve."
  }
  assert {
    condition     = output.environments_per_instance == { "c7g.xlarge" = 1, "c8g.xlarge" = 1 } && [for size in ["large", "xlarge", "2xlarge", "4xlarge"] : local.fits["c.${size}"]] == [0, 1, 2, 5] && local.fits["m.xlarge"] == 1
    error_message = "An environment must fill the smallest instance that it fits on, less what Lambda keeps."
  }
  assert {
    condition     = length(module.undelivered) + length(module.schedule) + length(module.notices) == 0
    error_message = "What nobody asked for must not be made."
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
    networking_mode        = "nat"
    kms_mode               = "customer_managed"
    memory_mib             = 4096
    allowed_instance_types = ["c8g.*", "m8g.2xlarge"]
    schedule = { steps = {
      fewer = { at = "cron(0 20 ? * * *)", environments = { min = 1, max = 3 } }
      more  = { at = "cron(0 7 ? * * *)", environments = { min = 3, max = 12 } }
    } }
    notices         = { target_arn = "arn:aws:events:us-east-1:123456789012:event-bus/shop" }
    producer_topics = [{ arn = "arn:aws:sns:us-east-1:210987654321:searches" }]
  }
  assert {
    condition     = [for size in ["large", "xlarge", "2xlarge", "4xlarge"] : lookup(output.environments_per_instance, "c8g.${size}", 0)] == [0, 1, 3, 7] && output.environments_per_instance["m8g.2xlarge"] == 3
    error_message = "A pattern must stand for every size that an environment fits on."
  }
  assert {
    condition     = output.results_stream_arn != null
    error_message = "Notices need the table's stream."
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
    memory_mib      = 2048
  }
  assert {
    condition     = output.environments_per_instance == { "c7g.large" = 1, "c8g.large" = 1 } && [for size in ["xlarge", "2xlarge"] : local.fits["c.${size}"]] == [3, 7]
    error_message = "The smallest environment must run on the smallest instance."
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
    allowed_instance_types      = []
  }
  assert {
    condition     = local.allowed_types == null && output.environments_per_instance["c*.4xlarge"] == 5 && output.mapping_maximum_concurrency == 31 * 24 # on a 24xlarge
    error_message = "Lambda must choose if it is asked to, and the plan say what fits where."
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
    condition     = output.environments_per_instance == { "r7g.xlarge" = 1, "r8g.xlarge" = 1 }
    error_message = "An environment of much memory must run on R instances."
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
