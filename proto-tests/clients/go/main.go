// A client in pure Go (franz-go): produces, consumes in a group, and says what a wrong password gives.
// Arguments: BOOTSTRAP USER PASSWORD TOPIC GROUP; CLIENT_PROTOCOL, CLIENT_CA, CLIENT_CERT and CLIENT_KEY (PEM files) say how it
// connects. With the arguments logins FILE: see logins.go.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

const records = 200

func main() {
	if os.Args[1] == "logins" {
		if err := logins(os.Args[2]); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func options(bootstrap, user, password string, more ...kgo.Opt) []kgo.Opt {
	all := []kgo.Opt{kgo.SeedBrokers(strings.Split(bootstrap, ",")...)}
	if sasl() {
		all = append(all, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	}
	if strings.HasSuffix(protocol(), "SSL") {
		all = append(all, kgo.DialTLSConfig(tlsConfig()))
	}
	return append(all, more...)
}

func protocol() string {
	if set := os.Getenv("CLIENT_PROTOCOL"); set != "" {
		return set
	}
	return "SASL_PLAINTEXT"
}

func sasl() bool { return strings.HasPrefix(protocol(), "SASL") }

func tlsConfig() *tls.Config {
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	pem, err := os.ReadFile(os.Getenv("CLIENT_CA"))
	if err != nil || !config.RootCAs.AppendCertsFromPEM(pem) {
		panic("no authority in CLIENT_CA")
	}
	if cert := os.Getenv("CLIENT_CERT"); cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, os.Getenv("CLIENT_KEY"))
		if err != nil {
			panic(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

func run(bootstrap, user, password, topic, group string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	producer, err := kgo.NewClient(options(bootstrap, user, password)...)
	if err != nil {
		return err
	}
	defer producer.Close()
	for i := 0; i < records; i++ {
		record := &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "v%d", i)}
		producer.Produce(ctx, record, func(_ *kgo.Record, e error) {
			if e != nil {
				fmt.Println("produce:", e)
			}
		})
	}
	if err := producer.Flush(ctx); err != nil {
		return err
	}

	consumer, err := kgo.NewClient(options(bootstrap, user, password,
		kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		return err
	}
	defer consumer.Close()
	var got []string
	for len(got) < records {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Key)+"="+string(r.Value)) })
	}
	if err := consumer.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	report(got)
	if !sasl() {
		return nil
	}

	wrong, err := kgo.NewClient(options(bootstrap, user, "wrong-pass-canary", kgo.RequestRetries(0))...)
	if err != nil {
		return err
	}
	defer wrong.Close()
	fmt.Println("wrong password:", wrong.Ping(ctx))
	return nil
}

func report(got []string) {
	sort.Strings(got)
	distinct := map[string]bool{}
	for _, g := range got {
		distinct[g] = true
	}
	fmt.Printf("consumed %d distinct %d first %s last %s\n", len(got), len(distinct), got[0], got[len(got)-1])
}
