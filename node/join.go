package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/sleep"
)

const (
	requestTimeout = 15 * time.Second
	firstRetry     = time.Second
	lastRetry      = 10 * time.Second
	maxAnswer      = 1 << 20 // bytes
)

// join makes this host a member of a cluster. A manager that is not reachable is
// asked again for as long as it takes; everything else that goes wrong is final,
// and nothing is written then.
func (n *process) join(ctx context.Context) error {
	if n.config.Token == "" {
		return api.Invalidf("--join needs --token: `orc token %s` on a manager prints it", n.config.Role)
	}
	token, err := api.ParseToken(n.config.Token)
	if err != nil {
		return err
	}
	// The same for every try: when an answer was lost, the next manager knows that this
	// host is a node already.
	request, key, err := ca.NewRequest()
	if err != nil {
		return err
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		for _, address := range n.config.Join {
			err := n.joinAt(ctx, address, token, request, key)
			if err == nil || !transient(err) {
				return err
			}
			n.log.Warn("the manager cannot be reached: trying again", zap.String("address", address), zap.Duration("in", wait), zap.Error(err))
		}
		if err := sleep.For(ctx, wait); err != nil {
			return err
		}
	}
}

// joinAt joins through one manager. The token's secret is sent only to one that
// proves to have the key of the CA that the token pins.
func (n *process) joinAt(ctx context.Context, address string, token api.Token, request, key []byte) error {
	roots, root, err := fetchRoot(ctx, address, token)
	if err != nil {
		return err
	}
	config, err := ca.Joining(root)
	if err != nil {
		return err
	}
	joining := api.JoinRequest{
		Secret: token.Secret, Request: request, Role: n.config.Role, Name: n.config.Name, Labels: n.config.Labels, Runs: n.runsContainers(),
	}
	if n.manages() {
		joining.API = n.config.Advertise
	}
	var answer api.JoinAnswer
	if err := post(ctx, config, address, "/v1/join", joining, &answer); err != nil {
		return unlessRotating(err, roots)
	}
	credentials, err := ca.NewCredentials(answer.Certificate, key, answer.Roots)
	if err != nil {
		return fmt.Errorf("the manager's answer: %w", err)
	}
	peer := credentials.Peer()
	if peer != (ca.Peer{ID: answer.Node.ID, Role: string(n.config.Role), Cluster: answer.Cluster}) {
		return errors.New("the manager's answer contradicts itself: the certificate is another node's")
	}
	if err := n.clear(); err != nil {
		return err
	}
	if err := n.dir.saveCredentials(answer.Certificate, key, answer.Roots); err != nil {
		return err
	}
	id := &identity{Format: format, ID: peer.ID, Cluster: peer.Cluster, Role: n.config.Role, Managers: answer.Managers}
	if !slices.Contains(id.Managers, address) {
		// This one is known to be reachable from here, which what managers advertise
		// may not be.
		id.Managers = append(id.Managers, address)
	}
	if err := n.dir.save(id); err != nil {
		return err
	}
	n.identity, n.credentials = id, credentials
	n.log.Info("joined the cluster", zap.String("node", id.ID), zap.String("manager", address))
	return nil
}

// unlessRotating makes it worth another try that a manager has no certificate of the root
// that the token pins, when it says that it trusts several: the CA is being rotated, and
// it may get its next certificate in a moment.
func unlessRotating(err error, roots []byte) error {
	if errors.As(err, new(*unproven)) && bytes.Count(roots, []byte("-----BEGIN")) > 1 {
		return &unreachable{fmt.Errorf("the CA is being rotated: %w", err)}
	}
	return err
}

// fetchRoot gets the CA's certificates from a manager that is not trusted yet, and the
// one of them that the token pins.
func fetchRoot(ctx context.Context, address string, token api.Token) (roots, root []byte, err error) {
	// Whoever answers: what it says is checked, and nothing secret is sent.
	config := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, NextProtos: []string{"h2"}}
	if roots, err = exchange(ctx, config, http.MethodGet, "https://"+address+"/v1/ca", nil); err != nil {
		return nil, nil, err
	}
	root, err = ca.CheckRoots(roots, token.Digest)
	return roots, root, err
}

func post(ctx context.Context, config *tls.Config, address, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	data, err := exchange(ctx, config, http.MethodPost, "https://"+address+path, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("the manager's answer: %w", err)
	}
	return nil
}

// exchange makes one request on a connection of its own.
func exchange(ctx context.Context, config *tls.Config, method, url string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			return nil, &unproven{api.Errorf(api.CodeUnauthorized, "%s does not prove that it is a manager of the cluster: %w", url, untrusted.Err)}
		}
		return nil, &unreachable{err}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, &unreachable{err}
	}
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusCreated {
		return data, nil
	}
	refusal := &api.Error{}
	if json.Unmarshal(data, refusal) != nil || refusal.Message == "" {
		return nil, fmt.Errorf("%s answers %s: is it a manager of orc?", url, response.Status)
	}
	return nil, refusal
}

// unreachable is a failure of the network or of the manager's process: trying
// again makes sense.
type unreachable struct{ error }

func (u *unreachable) Unwrap() error { return u.error }

// unproven is who has no certificate of a root that is trusted.
type unproven struct{ error }

func (u *unproven) Unwrap() error { return u.error }

func transient(err error) bool {
	var u *unreachable
	return errors.As(err, &u) || api.CodeOf(err) == api.CodeUnavailable
}
