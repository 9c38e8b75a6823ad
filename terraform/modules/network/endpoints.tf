# Endpoints, and the security groups on both sides of them.

resource "aws_security_group" "worker" {
  #checkov:skip=CKV2_AWS_5:The capacity provider, or the function, is given it through output security_group_ids.
  count       = local.create ? 1 : 0
  name        = "${var.name}-worker"
  description = "Instances that run the worker: nothing in, TLS out to AWS"
  vpc_id      = aws_vpc.this[0].id
  tags        = { Name = "${var.name}-worker" }
}

resource "aws_security_group" "endpoints" {
  count       = var.mode == "vpc_endpoints" ? 1 : 0
  name        = "${var.name}-endpoints"
  description = "Interface endpoints: TLS in from the worker, nothing out"
  vpc_id      = aws_vpc.this[0].id
  tags        = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "from_worker" {
  count                        = var.mode == "vpc_endpoints" ? 1 : 0
  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "TLS from the worker"
  referenced_security_group_id = aws_security_group.worker[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "to_endpoints" {
  count                        = var.mode == "vpc_endpoints" ? 1 : 0
  security_group_id            = aws_security_group.worker[0].id
  description                  = "TLS to the interface endpoints"
  referenced_security_group_id = aws_security_group.endpoints[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "to_gateways" {
  for_each          = var.mode == "vpc_endpoints" ? toset(local.gateway_services) : []
  security_group_id = aws_security_group.worker[0].id
  description       = "TLS to ${each.key}, through its gateway endpoint"
  prefix_list_id    = aws_vpc_endpoint.gateway[each.key].prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# The services' addresses change: without endpoints no narrower rule can be written.
resource "aws_vpc_security_group_egress_rule" "to_internet" {
  count             = local.public ? 1 : 0
  security_group_id = aws_security_group.worker[0].id
  description       = "TLS to AWS, over the internet gateway"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = local.interface_services
  vpc_id              = aws_vpc.this[0].id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
  # Additional endpoints are for what nearline does not call itself: only their owner knows a policy for them.
  policy = lookup(var.endpoint_policies, each.key, null)
  tags   = { Name = "${var.name}-${each.key}" }
}

# They cost nothing, so every mode has them.
resource "aws_vpc_endpoint" "gateway" {
  for_each          = toset(local.gateway_services)
  vpc_id            = aws_vpc.this[0].id
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = concat([for table in aws_route_table.private : table.id], aws_route_table.public[*].id)
  policy            = lookup(var.endpoint_policies, each.key, null)
  tags              = { Name = "${var.name}-${each.key}" }
}
