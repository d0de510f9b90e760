"""librdkafka (through confluent-kafka): produces, consumes in a group, commits in a transaction, and says what a wrong password
gives. Arguments: BOOTSTRAP USER PASSWORD TOPIC GROUP; CLIENT_PROTOCOL, CLIENT_CA, CLIENT_CERT and CLIENT_KEY (PEM files) say
how it connects. With the arguments logins FILE: see logins()."""

import base64
import json
import os
import ssl
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

RECORDS = 200
FILES = {"ssl.ca.location": "CLIENT_CA", "ssl.certificate.location": "CLIENT_CERT", "ssl.key.location": "CLIENT_KEY"}
protocol = os.environ.get("CLIENT_PROTOCOL", "SASL_PLAINTEXT")


def config(**more):
    base = {
        "bootstrap.servers": bootstrap,
        "security.protocol": protocol,
    }
    if protocol.startswith("SASL"):
        base |= {"sasl.mechanisms": "PLAIN", "sasl.username": user, "sasl.password": password}
    base |= files()
    return base | {key.replace("_", "."): value for key, value in more.items()}


def files():
    base = {}
    for key, name in FILES.items():
        if os.environ.get(name):
            base[key] = os.environ[name]
    return base


def produce():
    producer = Producer(config(transactional_id="tx-" + group, linger_ms=5))
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, key="aborted", value="aborted")
    producer.abort_transaction(30)
    producer.begin_transaction()
    for i in range(RECORDS):
        producer.produce(topic, key=f"k{i}", value=f"v{i}")
    # Offsets of another group ride in the same transaction.
    other = Consumer(config(group_id="tx-" + group))
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 0)], other.consumer_group_metadata(), 30)
    other.close()
    producer.commit_transaction(30)


def consume():
    consumer = Consumer(config(group_id=group, auto_offset_reset="earliest", enable_auto_commit=False))
    consumer.subscribe([topic])
    got = []
    end = time.monotonic() + 40
    while len(got) < RECORDS and time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error():
            raise RuntimeError(message.error())
        got.append(f"{message.key().decode()}={message.value().decode()}")
    consumer.commit(asynchronous=False)
    consumer.close()
    got.sort()
    print(f"consumed {len(got)} distinct {len(set(got))} first {got[0]} last {got[-1]}")


def wrong_password():
    said = []
    admin = AdminClient(config() | {"sasl.password": "wrong-pass-canary", "error_cb": said.append})
    end = time.monotonic() + 30
    while not any(e.code() == KafkaError._AUTHENTICATION for e in said) and time.monotonic() < end:
        admin.poll(0.2)
    print("wrong password:", "; ".join(sorted({e.str() for e in said if e.code() == KafkaError._AUTHENTICATION})))


def logins(path):
    """Each line of the file is a login: KEY PROTOCOL BOOTSTRAP MECHANISM USER PASSWORD TOPIC, separated by tabs. Produces a record
    with that key, reads the topic until it comes, and prints "KEY ok" or "KEY refused: WHY". With OAUTHBEARER the word for the
    password says where the token comes from: "unsecured"; "grant URL": librdkafka asks the issuer's token endpoint, where the
    secret is USER-secret; "given URL": this program asks."""
    with open(path, encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    with ThreadPoolExecutor(4) as pool:
        for line in pool.map(lambda row: login(*row), rows):
            print(line)


def login(key, protocol, at, mechanism, user, password, topic):
    said = []

    def failed(error):
        if error.code() == KafkaError._AUTHENTICATION:
            said.append(error.str())

    base = files() | {"bootstrap.servers": at, "security.protocol": protocol, "sasl.mechanisms": mechanism, "error_cb": failed}
    base |= bearer(user, password) if mechanism == "OAUTHBEARER" else {"sasl.username": user, "sasl.password": password}
    base["message.timeout.ms"] = 60000
    producer = Producer(base)
    acknowledged = []
    producer.produce(topic, key=key, value="v", on_delivery=lambda error, message: acknowledged.append(error))
    end = time.monotonic() + 60
    while not said and not acknowledged and time.monotonic() < end:
        producer.poll(0.1)
    if said or acknowledged != [None]:
        producer.purge()
        producer.flush(5)
        return f"{key} refused: {said or acknowledged}"
    consumer = Consumer(base | {"group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    while time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is not None and not message.error() and message.key().decode() == key:
            consumer.close()
            return f"{key} ok"
    return f"{key} not read: {said}"


def bearer(user, source):
    if source == "unsecured":
        return {"enable.sasl.oauthbearer.unsecure.jwt": True, "sasl.oauthbearer.config": f"principal={user}"}
    how, url = source.split(" ")
    if how == "given":
        return {"oauth_cb": lambda config: token(url, user)}
    return {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": url,
        "sasl.oauthbearer.client.id": user,
        "sasl.oauthbearer.client.secret": f"{user}-secret",
        "sasl.oauthbearer.scope": "kafka",
    } | ({"https.ca.location": os.environ["CLIENT_CA"]} if url.startswith("https") else {})


def token(url, user):
    """A token by the client credentials grant, and when it ends."""
    login = base64.b64encode(f"{user}:{user}-secret".encode()).decode()
    request = urllib.request.Request(url, b"grant_type=client_credentials", {"Authorization": f"Basic {login}"})
    trust = ssl.create_default_context(cafile=os.environ["CLIENT_CA"])
    with urllib.request.urlopen(request, timeout=30, context=trust if url.startswith("https") else None) as answer:
        said = json.load(answer)
    return said["access_token"], time.time() + said["expires_in"]


if sys.argv[1] == "logins":
    logins(sys.argv[2])
else:
    bootstrap, user, password, topic, group = sys.argv[1:6]
    produce()
    consume()
    if protocol.startswith("SASL"):
        wrong_password()
