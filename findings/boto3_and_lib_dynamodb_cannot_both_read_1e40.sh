#!/usr/bin/env bash
# DynamoDB stores numbers up to 9.9e125, and answers 1e40 with all its digits (boto/boto3#2500 shows it of AWS itself). Two
# of its readers each fail on one of the two ways to write it. boto3's resource counts the zeros at the end as digits, and
# from 39 digits on raises decimal.Rounded, also for what it has written itself; lib-dynamodb for JavaScript reads these, as
# bigint, but throws at an exponent. A large float among the attributes of one item takes all items of its BatchGetItem
# with it. No error names item or attribute. The cure in Python is one line,
# boto3.dynamodb.types.DYNAMODB_CONTEXT.traps[decimal.Rounded] = False, as digits that count still raise Inexact; in
# JavaScript unmarshallOptions.wrapNumbers.
#
# versions: boto3 1.44.8, @aws-sdk/util-dynamodb 3.996.9 (in lib-dynamodb 3.1169.0); Node 20 or newer
# seen:     boto3 1E+37 -> 1E+37
#           boto3 1E+37 in digits -> 1E+37
#           boto3 1E+38 -> 1E+38
#           boto3 1E+38 in digits -> decimal.Rounded
#           boto3 two items, one of them with 1E+38 in digits -> decimal.Rounded
#           boto3 the same without the trap -> 2 items, 1E+38
#           javascript 1E+37 -> throws
#           javascript 1E+37 in digits -> bigint
#           javascript 1E+38 in digits -> bigint
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
    boto3==1.44.8 botocore==1.44.8 jmespath==1.1.0 python-dateutil==2.9.0.post0 s3transfer==0.19.3 six==1.17.0 urllib3==2.8.0
cat >read.py <<'PYTHON'
import decimal

import boto3
from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer
from botocore.stub import Stubber


def said(act):
    try:
        return act()
    except decimal.DecimalException as error:
        return f"decimal.{type(error).__name__}"


def short(number):
    return f"{number.normalize():E}"


for power in (37, 38):
    for name, digits in ((f"1E+{power}", f"1E+{power}"), (f"1E+{power} in digits", f"1{'0' * power}")):
        print("boto3", name, "->", said(lambda: short(TypeDeserializer().deserialize({"N": digits}))))


def both():
    table = boto3.resource("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    items = [{"id": {"S": "good"}}, {"id": {"S": "bad"}, "price": {"N": f"1{'0' * 38}"}}]
    with Stubber(table.meta.client) as stubber:
        stubber.add_response("batch_get_item", {"Responses": {"t": items}, "UnprocessedKeys": {}})
        read = table.batch_get_item(RequestItems={"t": {"Keys": [{"id": "good"}, {"id": "bad"}]}})["Responses"]["t"]
    return f"{len(read)} items, {short(read[1]['price'])}"


print("boto3 two items, one of them with 1E+38 in digits ->", said(both))
DYNAMODB_CONTEXT.traps[decimal.Rounded] = False
print("boto3 the same without the trap ->", said(both))
PYTHON
venv/bin/python read.py >seen
echo '{"private":true}' >package.json
npm install --silent --no-audit --no-fund @aws-sdk/util-dynamodb@3.996.9 @aws-sdk/client-dynamodb@3.1169.0
cat >read.mjs <<'JS'
import { unmarshall } from '@aws-sdk/util-dynamodb';

for (const [name, N] of [['1E+37', '1E+37'], ['1E+37 in digits', `1${'0'.repeat(37)}`], ['1E+38 in digits', `1${'0'.repeat(38)}`]]) {
  let said = 'throws';
  try {
    said = typeof unmarshall({ price: { N } }).price;
  } catch {}
  console.log(`javascript ${name} -> ${said}`);
}
JS
node read.mjs >>seen
diff - seen <<'SEEN'
boto3 1E+37 -> 1E+37
boto3 1E+37 in digits -> 1E+37
boto3 1E+38 -> 1E+38
boto3 1E+38 in digits -> decimal.Rounded
boto3 two items, one of them with 1E+38 in digits -> decimal.Rounded
boto3 the same without the trap -> 2 items, 1E+38
javascript 1E+37 -> throws
javascript 1E+37 in digits -> bigint
javascript 1E+38 in digits -> bigint
SEEN
echo "as before"
