package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Each line of the file is a login: KEY PROTOCOL BOOTSTRAP MECHANISM USER PASSWORD TOPIC, separated by tabs. Produces a record with
// that key, reads the topic until it comes, and prints "KEY ok" or "KEY refused: WHY". With OAUTHBEARER the word for the password says
// where the token comes from: "unsecured", or "given URL" for the issuer's token endpoint, where the secret is USER-secret.
func logins(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	said := make([]chan string, len(lines))
	for i, line := range lines {
		said[i] = make(chan string, 1)
		go func(words []string, said chan string) {
			if err := login(words); err != nil {
				said <- fmt.Sprint(words[0], " refused: ", err)
				return
			}
			said <- words[0] + " ok"
		}(strings.Split(line, "\t"), said[i])
	}
	for _, one := range said {
		fmt.Println(<-one)
	}
	return nil
}

func login(words []string) error {
	key, protocol, bootstrap, name, topic := words[0], words[1], words[2], words[3], words[6]
	auth := scram.Auth{User: words[4], Pass: words[5]}
	var mechanism kgo.Opt
	switch name {
	case "SCRAM-SHA-256":
		mechanism = kgo.SASL(auth.AsSha256Mechanism())
	case "SCRAM-SHA-512":
		mechanism = kgo.SASL(auth.AsSha512Mechanism())
	case "OAUTHBEARER":
		mechanism = kgo.SASL(oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			value, err := token(words[4], words[5])
			return oauth.Auth{Token: value}, err
		}))
	default:
		return errors.New("no mechanism " + name)
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		mechanism,
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
	}
	if protocol == "SASL_SSL" {
		options = append(options, kgo.DialTLSConfig(tlsConfig()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	// It would try again and again otherwise.
	if err := client.Ping(ctx); err != nil {
		return err
	}
	record := &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte("v")}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return err
	}
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return err
		}
		seen := false
		fetches.EachRecord(func(r *kgo.Record) { seen = seen || string(r.Key) == key })
		if seen {
			return nil
		}
	}
}

func token(user, source string) (string, error) {
	if source == "unsecured" {
		now := time.Now().Unix()
		claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, user, now, now+600)
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".", nil
	}
	url := strings.TrimPrefix(source, "given ")
	request, err := http.NewRequest("POST", url, strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", err
	}
	request.SetBasicAuth(user, user+"-secret")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{Timeout: 30 * time.Second}
	if strings.HasPrefix(url, "https") {
		client.Transport = &http.Transport{TLSClientConfig: tlsConfig()}
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return "", errors.New("the issuer answers " + answer.Status)
	}
	var said struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(answer.Body).Decode(&said)
	return said.Token, err
}
