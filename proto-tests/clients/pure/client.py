"""A client in pure Python (kafka-python). Arguments: logins FILE. Each line of the file is a login: KEY PROTOCOL BOOTSTRAP MECHANISM
USER PASSWORD TOPIC, separated by tabs. Produces a record with that key, reads the topic until it comes, and prints "KEY ok" or
"KEY refused: WHY". CLIENT_CA names the authority's PEM file. With OAUTHBEARER the word for the password says where the token comes from:
"unsecured", or "given URL" for the issuer's token endpoint, where the secret is USER-secret. With the arguments stay SECONDS BOOTSTRAP
USER PASSWORD TOPIC it sends a record now and then for so long, waits for each, and prints "sent N acknowledged N"."""

import base64
import json
import os
import ssl
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.sasl.oauth import AbstractTokenProvider


def encode(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


class Token(AbstractTokenProvider):
    def __init__(self, user, source):
        super().__init__()
        self.user, self.source = user, source

    def token(self):
        if self.source == "unsecured":
            now = int(time.time())
            return encode({"alg": "none"}) + "." + encode({"sub": self.user, "iat": now, "exp": now + 600}) + "."
        url = self.source.split(" ")[1]
        login = base64.b64encode(f"{self.user}:{self.user}-secret".encode()).decode()
        request = urllib.request.Request(url, b"grant_type=client_credentials", {"Authorization": f"Basic {login}"})
        trust = ssl.create_default_context(cafile=os.environ["CLIENT_CA"])
        with urllib.request.urlopen(request, timeout=30, context=trust if url.startswith("https") else None) as answer:
            return json.load(answer)["access_token"]


def login(key, protocol, bootstrap, mechanism, user, password, topic):
    config = {
        "bootstrap_servers": bootstrap,
        "security_protocol": protocol,
        "sasl_mechanism": mechanism,
        "ssl_cafile": os.environ.get("CLIENT_CA"),
        "api_version": (2, 6),
    }
    if mechanism == "OAUTHBEARER":
        config["sasl_oauth_token_provider"] = Token(user, password)
    else:
        config |= {"sasl_plain_username": user, "sasl_plain_password": password}
    try:
        producer = KafkaProducer(**config, max_block_ms=20000)
        producer.send(topic, key=key.encode(), value=b"v", partition=0).get(timeout=60)
        producer.close()
        consumer = KafkaConsumer(**config, enable_auto_commit=False, consumer_timeout_ms=30000)
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        seen = any(message.key == key.encode() for message in consumer)
        consumer.close()
        return f"{key} ok" if seen else f"{key} not read"
    except Exception as e:
        return f"{key} refused: {type(e).__name__}: {e}"


def stay(seconds, bootstrap, user, password, topic):
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username=user,
        sasl_plain_password=password,
        api_version=(2, 6),
        acks="all",
        retries=100,
    )
    sent, end = [], time.monotonic() + float(seconds)
    while time.monotonic() < end:
        sent.append(producer.send(topic, value=b"v"))
        time.sleep(0.1)
    acknowledged = sum(1 for record in sent if record.get(timeout=60))
    producer.close()
    print(f"sent {len(sent)} acknowledged {acknowledged}")


if sys.argv[1] == "stay":
    stay(*sys.argv[2:])
else:
    with open(sys.argv[2], encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    with ThreadPoolExecutor(4) as pool:
        for line in pool.map(lambda row: login(*row), rows):
            print(line)
