#!/bin/sh
# Keys, certificates and stores for the tests of tls, as openssl and keytool make them, in the directory $1.
set -eu
cd "$1"

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }

mkdir db
: >db/index
echo 01 >db/crlnumber
cat >ca.cnf <<CNF
[ca]
default_ca = one
[one]
database = db/index
new_certs_dir = db
rand_serial = yes
default_md = sha256
default_days = 30
default_crl_days = 30
crlnumber = db/crlnumber
crl_extensions = list
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = none
[none]
[authority]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
keyUsage = keyCertSign,cRLSign
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,DNS:broker.example,IP:127.0.0.1
[more_names]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,DNS:broker.example,DNS:more.example,IP:127.0.0.1
[list]
authorityKeyIdentifier = keyid
[client]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
[ca_leaf]
basicConstraints = CA:TRUE
extendedKeyUsage = clientAuth
CNF

# authority NAME
authority() {
    key "$1"
    openssl req -x509 -new -config ca.cnf -key "$1.key" -subj "/CN=$1" -days 30 -extensions authority -out "$1.pem"
}
# sign AUTHORITY NAME KEY EXTENSIONS [START END]
sign() {
    openssl req -new -config ca.cnf -key "$3.key" -subj "/CN=$2" -out "$2.csr"
    openssl ca -batch -notext -config ca.cnf -cert "$1.pem" -keyfile "$1.key" -in "$2.csr" -extensions "$4" \
        ${5:+-startdate "$5" -enddate "$6"} -out "$2.pem" 2>ca.log || { cat ca.log >&2; exit 1; }
}

authority ca
authority other
key server
key client
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key 2>/dev/null
key inter
sign ca inter inter authority

sign inter server server server
sign inter more_names server more_names
sign ca renamed server server
sign ca rsa rsa server
sign ca expired_server server server 20200101000000Z 20200201000000Z
sign ca future_server server server 20900101000000Z 20910101000000Z
sign ca good client client
sign ca expired client client 20200101000000Z 20200201000000Z
sign ca future client client 20900101000000Z 20910101000000Z
sign ca wrong_use client server
sign ca ca_leaf client ca_leaf
sign ca revoked client client
sign other stranger client client
openssl req -x509 -new -config ca.cnf -key client.key -subj /CN=itself -days 30 -extensions client -out itself.pem
openssl req -x509 -new -config ca.cnf -key server.key -subj /CN=itself -days 30 -extensions server -out itself_server.pem
openssl req -new -config ca.cnf -key client.key -subj /CN=version1 -out version1.csr
openssl x509 -req -in version1.csr -CA ca.pem -CAkey ca.key -set_serial 1 -days 30 -out version1.pem 2>/dev/null
openssl req -new -config ca.cnf -key server.key -subj /CN=version1 -out version1_server.csr
openssl x509 -req -in version1_server.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 30 -out version1_server.pem 2>/dev/null
for name in good expired future wrong_use ca_leaf revoked stranger itself version1; do
    cat client.key $name.pem >client_$name.pem
done
cat inter.pem >>server.pem
cat inter.pem >>more_names.pem

ca="openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key"
$ca -revoke revoked.pem 2>/dev/null
$ca -gencrl -out crl.pem 2>/dev/null
openssl crl -in crl.pem -outform DER -out crl.der
grep -v crlnumber ca.cnf | grep -v crl_extensions >v1.cnf
openssl ca -config v1.cnf -cert ca.pem -keyfile ca.key -gencrl -out version1_crl.pem 2>/dev/null
$ca -gencrl -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z -out old_crl.pem 2>/dev/null

# Private keys in all forms.
pkcs8() { out=$1; shift; openssl pkcs8 -topk8 -in server.key -passout pass:key-secret "$@" -out "$out"; }
pkcs8 aes.key -v2 aes256
pkcs8 aes128.key -v2 aes-128-cbc -v2prf hmacWithSHA1
pkcs8 3des.key -v2 des3
pkcs8 scrypt.key -scrypt
pkcs8 pbes1.key -v1 PBE-SHA1-3DES
openssl ec -in server.key -out sec1.key 2>/dev/null
openssl ec -in server.key -aes128 -passout pass:key-secret -out traditional.key 2>/dev/null
openssl rsa -in rsa.key -traditional -out pkcs1.key 2>/dev/null
openssl genpkey -algorithm X25519 -out x25519.key
{ echo 'Bag Attributes'; echo '    friendlyName: server'; cat aes.key; echo 'subject=CN = server'; cat server.pem; } >encrypted.pem
cat server.key server.pem >plain.pem

# Stores.
p12() { out=$1; shift; openssl pkcs12 -export -passout pass:store-secret "$@" -out "$out"; }
p12 openssl.p12 -inkey server.key -in server.pem -name server
p12 legacy.p12 -legacy -inkey server.key -in server.pem -name server
p12 rsa.p12 -inkey rsa.key -in rsa.pem -name rsa
p12 second.p12 -inkey server.key -in renamed.pem -name second
p12 nokeys.p12 -nokeys -in ca.pem
openssl pkcs12 -export -passout 'pass:pä€ss' -inkey server.key -in server.pem -out unicode.p12
tool() { keytool -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -noprompt "$@" >>keytool.log 2>&1 || { cat keytool.log >&2; exit 1; }; }
import() { tool -importkeystore -srckeystore "$1" -srcstorepass store-secret -destkeystore "$2" -deststorepass store-secret \
    -deststoretype "$3"; }
{
    cp openssl.p12 several.p12
    import rsa.p12 several.p12 PKCS12
    import second.p12 several.p12 PKCS12
} &
{
    tool -genkeypair -alias dsa -keyalg DSA -keysize 2048 -dname CN=dsa -keystore dsa.p12 -storetype PKCS12 -storepass store-secret
    cp openssl.p12 odd.p12
    import dsa.p12 odd.p12 PKCS12
} &
{
    tool -importcert -alias ca -file ca.pem -keystore trust.p12 -storetype PKCS12 -storepass store-secret
    tool -importcert -alias other -file other.pem -keystore trust.p12 -storetype PKCS12 -storepass store-secret
} &
import openssl.p12 java.jks JKS
wait
