# Whoever is given the subnets waits until what is in them can reach AWS: an instance that starts earlier cannot load the
# catalog.
output "subnet_ids" {
  description = "Subnets to run in."
  value       = !local.create ? var.existing.subnet_ids : [for subnet in local.private ? aws_subnet.private : aws_subnet.public : subnet.id]
  depends_on = [
    aws_route.internet, aws_route.nat, aws_route_table_association.private, aws_route_table_association.public,
    aws_vpc_endpoint.gateway, aws_vpc_endpoint.interface,
    aws_vpc_security_group_ingress_rule.from_worker, aws_vpc_security_group_egress_rule.to_endpoints,
    aws_vpc_security_group_egress_rule.to_gateways, aws_vpc_security_group_egress_rule.to_internet,
  ]
}

output "zones" {
  description = "Zones that were chosen, known before anything is made; empty in mode `existing`."
  value       = local.zones
}

output "security_group_ids" {
  description = "Security groups to run with."
  value       = local.create ? aws_security_group.worker[*].id : var.existing.security_group_ids
}

output "vpc_id" {
  description = "The VPC; null in mode `existing`."
  value       = one(aws_vpc.this[*].id)
}

output "interface_endpoints" {
  description = "Services that have an interface endpoint."
  value       = local.interface_services
}
