# Each way to reach AWS.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                           = "n"
  region                         = "us-east-1"
  mode                           = "vpc_endpoints"
  cidr                           = "10.42.0.0/16"
  zones                          = null
  zone_count                     = 3
  nat_gateways                   = "one_per_zone"
  existing                       = { subnet_ids = [], security_group_ids = [] }
  endpoint_policies              = { sqs = "{\"Version\":\"2012-10-17\"}", bedrock-runtime = "{}", logs = "{}", xray = "{}", s3 = "{\"Version\":\"2012-10-17\"}", dynamodb = "{}" }
  additional_interface_endpoints = []
}

run "vpc_endpoints" {
  module {
    source = "./modules/network"
  }

  assert {
    condition     = length(aws_subnet.private) == 3 && length(aws_subnet.public) == 0 && toset([for subnet in aws_subnet.private : subnet.availability_zone]) == toset(["us-east-1a", "us-east-1b", "us-east-1c"])
    error_message = "There must be a private subnet in each of three zones, and no public one."
  }
  assert {
    condition     = toset([for subnet in aws_subnet.private : subnet.cidr_block]) == toset(["10.42.0.0/20", "10.42.16.0/20", "10.42.32.0/20"])
    error_message = "Each subnet must have a sixteenth of the addresses."
  }
  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_nat_gateway.this) == 0 && length(aws_route.nat) == 0 && length(aws_route.internet) == 0
    error_message = "There must be no way to the internet."
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["bedrock-runtime", "logs", "sqs", "xray"]) && toset(keys(aws_vpc_endpoint.gateway)) == toset(["dynamodb", "s3"])
    error_message = "There must be an interface endpoint for each service called, and gateways for the two that have them."
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : length(endpoint.subnet_ids) == 3 && endpoint.private_dns_enabled && endpoint.vpc_endpoint_type == "Interface"])
    error_message = "Interface endpoints must be in every zone, under the services' own names."
  }
  assert {
    condition     = aws_vpc_endpoint.interface["sqs"].policy == var.endpoint_policies.sqs && aws_vpc_endpoint.gateway["s3"].policy == var.endpoint_policies.s3 && aws_vpc_endpoint.interface["sqs"].service_name == "com.amazonaws.us-east-1.sqs"
    error_message = "Endpoints must have their policies."
  }
  assert {
    condition     = length(aws_vpc_endpoint.gateway["dynamodb"].route_table_ids) == 3
    error_message = "Gateways must be in the route tables of all subnets."
  }
  assert {
    condition = alltrue([
      aws_vpc_security_group_ingress_rule.from_worker[0].from_port == 443,
      aws_vpc_security_group_ingress_rule.from_worker[0].to_port == 443,
      aws_vpc_security_group_ingress_rule.from_worker[0].referenced_security_group_id == aws_security_group.worker[0].id,
      aws_vpc_security_group_ingress_rule.from_worker[0].cidr_ipv4 == null,
      aws_vpc_security_group_ingress_rule.from_worker[0].security_group_id == aws_security_group.endpoints[0].id,
    ])
    error_message = "Endpoints must take 443 from the worker's group and nothing else."
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.to_endpoints[0].referenced_security_group_id == aws_security_group.endpoints[0].id && length(aws_vpc_security_group_egress_rule.to_gateways) == 2 && length(aws_vpc_security_group_egress_rule.to_internet) == 0
    error_message = "The worker may reach the endpoints and the gateways' prefixes, and nothing else."
  }
  assert {
    condition     = length(output.subnet_ids) == 3 && output.security_group_ids == tolist([aws_security_group.worker[0].id])
    error_message = "The worker must be given the private subnets and its group."
  }
}

run "zones_that_have_every_endpoint" {
  module {
    source = "./modules/network"
  }
  variables {
    zone_count = 2
  }
  override_data {
    target = data.aws_vpc_endpoint_service.interface["bedrock-runtime"]
    values = { availability_zones = ["us-east-1b", "us-east-1d", "us-east-1f"] }
  }

  assert {
    condition     = { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } == { us-east-1b = "10.42.16.0/20", us-east-1d = "10.42.48.0/20" } && output.zones == tolist(["us-east-1b", "us-east-1d"])
    error_message = "Only zones that have every endpoint may be taken, each with its own addresses."
  }
}

run "too_few_zones_with_every_endpoint" {
  command = plan
  module {
    source = "./modules/network"
  }
  override_data {
    target = data.aws_vpc_endpoint_service.interface["bedrock-runtime"]
    values = { availability_zones = ["us-east-1b", "us-east-1f"] }
  }
  expect_failures = [aws_vpc.this]
}

run "more_endpoints_and_named_zones" {
  module {
    source = "./modules/network"
  }
  variables {
    zones                          = ["us-east-1d", "us-east-1f"]
    zone_count                     = 2
    additional_interface_endpoints = ["kms"]
  }

  assert {
    condition     = toset(keys(aws_subnet.private)) == toset(["us-east-1d", "us-east-1f"]) && length(data.aws_availability_zones.available) == 0
    error_message = "Named zones must be used as they are."
  }
  assert {
    condition     = contains(keys(aws_vpc_endpoint.interface), "kms") && length(aws_vpc_endpoint.interface["kms"].subnet_ids) == 2
    error_message = "Additional endpoints must be made."
  }
}

run "nat" {
  module {
    source = "./modules/network"
  }
  variables {
    mode = "nat"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_eip.nat) == 3 && length(aws_subnet.private) == 3 && length(aws_subnet.public) == 3
    error_message = "There must be a NAT gateway in each zone."
  }
  assert {
    condition     = alltrue([for zone, route in aws_route.nat : route.nat_gateway_id == aws_nat_gateway.this[zone].id && route.route_table_id == aws_route_table.private[zone].id])
    error_message = "Each private subnet must go out through its own zone's gateway."
  }
  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && length(aws_vpc_endpoint.gateway) == 2 && length(aws_vpc_security_group_ingress_rule.from_worker) == 0
    error_message = "The free gateways keep records and catalogs off the NAT gateways; interface endpoints are not needed."
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.to_internet[0].from_port == 443 && aws_vpc_security_group_egress_rule.to_internet[0].to_port == 443 && toset(output.subnet_ids) == toset([for subnet in aws_subnet.private : subnet.id])
    error_message = "The worker must run in the private subnets, and may only send TLS."
  }
  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "Only mode public gives addresses away."
  }
}

run "one_nat_gateway" {
  module {
    source = "./modules/network"
  }
  variables {
    mode         = "nat"
    nat_gateways = "one"
  }

  assert {
    condition     = toset(keys(aws_nat_gateway.this)) == toset(["us-east-1a"]) && alltrue([for route in aws_route.nat : route.nat_gateway_id == aws_nat_gateway.this["us-east-1a"].id]) && length(aws_route.nat) == 3
    error_message = "All zones must go out through the one gateway."
  }
}

run "public" {
  module {
    source = "./modules/network"
  }
  variables {
    mode = "public"
  }

  assert {
    condition     = length(aws_subnet.public) == 3 && length(aws_subnet.private) == 0 && alltrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch]) && length(aws_nat_gateway.this) == 0
    error_message = "There must be public subnets only, with addresses."
  }
  assert {
    condition     = aws_route.internet[0].destination_cidr_block == "0.0.0.0/0" && toset(output.subnet_ids) == toset([for subnet in aws_subnet.public : subnet.id])
    error_message = "The worker must run in the public subnets, which reach the internet."
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.from_worker) == 0 && length(aws_default_security_group.this[0].ingress) == 0
    error_message = "Nothing may come in, in public subnets neither."
  }
}

run "existing" {
  module {
    source = "./modules/network"
  }
  variables {
    mode     = "existing"
    existing = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
  }

  assert {
    condition     = output.subnet_ids == tolist(["subnet-1", "subnet-2"]) && output.security_group_ids == tolist(["sg-1"]) && output.vpc_id == null
    error_message = "What is there must be used."
  }
  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.private) + length(aws_subnet.public) + length(aws_vpc_endpoint.interface) + length(aws_vpc_endpoint.gateway) + length(aws_security_group.worker) + length(data.aws_availability_zones.available) == 0
    error_message = "Nothing must be made."
  }
}
