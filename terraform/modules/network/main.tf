# Where the instances run and how they reach AWS.
#   vpc_endpoints  private subnets without any route to the internet; an endpoint for each service that is called
#   nat            private subnets; one NAT gateway, or one in each zone
#   public         public subnets and addresses, for development
#   existing       subnets and security groups that are there already; nothing is made

locals {
  create  = var.mode != "existing"
  private = contains(["vpc_endpoints", "nat"], var.mode)
  public  = contains(["nat", "public"], var.mode)

  offered = !local.create ? [] : var.zones != null ? var.zones : [
    for zone in data.aws_availability_zones.available[0].names : zone
    if alltrue([for service in data.aws_vpc_endpoint_service.interface : contains(service.availability_zones, zone)])
  ]
  zones = slice(local.offered, 0, min(var.zone_count, length(local.offered)))
  # A zone's addresses follow from its letter, so that another zone beside it or in its place changes none.
  by_zone   = { for zone in local.zones : zone => index(["a", "b", "c", "d", "e", "f", "g", "h"], substr(zone, -1, 1)) }
  nat_zones = var.mode != "nat" ? [] : var.nat_gateways == "one" ? slice(local.zones, 0, 1) : local.zones

  interface_services = var.mode == "vpc_endpoints" ? setunion(
    [for service in keys(var.endpoint_policies) : service if !contains(["s3", "dynamodb"], service)],
    var.additional_interface_endpoints,
  ) : []
  gateway_services = local.create ? ["dynamodb", "s3"] : []
}

data "aws_availability_zones" "available" {
  count = local.create && var.zones == null ? 1 : 0
  state = "available"
  filter {
    # No local zones, which have neither gateway endpoints nor the instances.
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
  # Old zones that new services pass over; others that refuse instances have to be left out by naming the zones.
  exclude_zone_ids = ["use1-az3", "usw1-az2", "cac1-az3"]
}

# Not every zone has every endpoint: only those that have all are taken.
data "aws_vpc_endpoint_service" "interface" {
  for_each     = var.zones == null ? local.interface_services : []
  service_name = "com.amazonaws.${var.region}.${each.key}"
  service_type = "Interface"
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Flow logs cost by the gigabyte and are mostly set up for all VPCs of an account at once; nothing here accepts a connection.
  count                = local.create ? 1 : 0
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
  lifecycle {
    precondition {
      condition     = length(local.zones) == var.zone_count
      error_message = "Only ${length(local.offered)} zones of ${var.region} have all endpoints that are needed (${join(", ", local.offered)}), and ${var.zone_count} are wanted: lower availability_zone_count, or name availability_zones."
    }
  }
}

# Nothing uses the default group: without rules nothing can use it by accident.
resource "aws_default_security_group" "this" {
  count  = local.create ? 1 : 0
  vpc_id = aws_vpc.this[0].id
}

resource "aws_subnet" "private" {
  for_each          = local.private ? local.by_zone : {}
  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value)
  tags              = { Name = "${var.name}-private-${each.key}" }
}

# Addresses are given only in mode "public", which has no other way out; no security group lets anything in.
resource "aws_subnet" "public" {
  for_each                = local.public ? local.by_zone : {}
  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.cidr, 4, 8 + each.value)
  map_public_ip_on_launch = var.mode == "public"
  tags                    = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_internet_gateway" "this" {
  count  = local.public ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.name }
}

resource "aws_route_table" "public" {
  count  = local.public ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  count                  = local.public ? 1 : 0
  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "public" {
  for_each       = aws_subnet.public
  subnet_id      = each.value.id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_eip" "nat" {
  for_each = toset(local.nat_zones)
  domain   = "vpc"
  tags     = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each      = toset(local.nat_zones)
  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = { Name = "${var.name}-${each.key}" }
  depends_on    = [aws_route.internet]
}

resource "aws_route_table" "private" {
  for_each = aws_subnet.private
  vpc_id   = aws_vpc.this[0].id
  tags     = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route" "nat" {
  for_each               = var.mode == "nat" ? local.by_zone : {}
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[contains(local.nat_zones, each.key) ? each.key : local.nat_zones[0]].id
}

resource "aws_route_table_association" "private" {
  for_each       = aws_subnet.private
  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}
