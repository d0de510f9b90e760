#!/usr/bin/env python3
"""Writes src/wire/schema/kafka.schema from the message definitions inside a kafka-clients jar.

usage: scripts/generate-schema.py kafka-clients-VERSION.jar > src/wire/schema/kafka.schema

The definitions are facts about Kafka's wire format; this keeps of them what a walker needs, one line per field:

    message KEY NAME request|response MIN-MAX FLEXIBLE      (FLEXIBLE: first flexible version, or none)
    <one blank per level>NAME TYPE VERSIONS [?NULLABLE-VERSIONS] [#TAG@TAGGED-VERSIONS]

TYPE is a primitive, `struct`, or one of these behind `[]`. Only APIs of a broker listener are kept.
"""
import json
import re
import sys
import zipfile

PRIMITIVES = {
    "bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float64", "uuid", "string", "bytes", "records",
}


def definitions(jar):
    with zipfile.ZipFile(jar) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith("common/message/") and name.endswith(".json"):
                text = archive.read(name).decode("utf-8")
                # A comment starts at // outside a string; no string of these files holds one.
                yield json.loads(re.sub(r"(?m)^\s*//.*$|//(?=[^\"\n]*$).*$", "", text))


def write_fields(fields, structs, level, out):
    for field in fields:
        kind = field["type"]
        array = "[]" if kind.startswith("[]") else ""
        element = kind[len(array):]
        children = None
        if element not in PRIMITIVES:
            children = field.get("fields") or structs[element]
            element = "struct"
        line = f"{' ' * level}{field['name']} {array}{element} {field['versions']}"
        if field.get("nullableVersions", "none") != "none":
            line += f" ?{field['nullableVersions']}"
        if "tag" in field:
            line += f" #{field['tag']}@{field['taggedVersions']}"
        out.append(line)
        if children is not None:
            write_fields(children, structs, level + 1, out)


def main():
    messages = [m for m in definitions(sys.argv[1]) if m["type"] in ("request", "response")]
    broker_keys = {m["apiKey"] for m in messages if m["type"] == "request" and "broker" in m.get("listeners", [])}
    out = []
    for message in sorted(messages, key=lambda m: (m["apiKey"], m["type"])):
        if message["apiKey"] not in broker_keys or message["validVersions"] == "none":
            continue
        versions = message["validVersions"]
        versions = versions if "-" in versions else f"{versions}-{versions}"
        flexible = message["flexibleVersions"].rstrip("+")
        name = re.sub(r"(Request|Response)$", "", message["name"])
        unstable = " unstable" if message.get("latestVersionUnstable") else ""
        out.append(f"message {message['apiKey']} {name} {message['type']} {versions} {flexible}{unstable}")
        structs = {s["name"]: s["fields"] for s in message.get("commonStructs", [])}
        for field in list(_all_fields(message["fields"])):
            element = field["type"].removeprefix("[]")
            if element not in PRIMITIVES and field.get("fields"):
                structs.setdefault(element, field["fields"])
        write_fields(message["fields"], structs, 1, out)
    version = re.search(r"kafka-clients-(.*)\.jar$", sys.argv[1])
    print(f"# Kafka {version.group(1) if version else '?'}; made by scripts/generate-schema.py")
    print("\n".join(out))


def _all_fields(fields):
    for field in fields:
        yield field
        yield from _all_fields(field.get("fields", []))


main()
