package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/orc-project/orc/api"
)

// stream yields the JSON values of a long answer as they come. The request is
// made when the sequence is ranged over, and ends with the loop; an error is the
// last thing it yields. A line {"failure": {…}} is such an error, told by the manager.
func stream[T any](ctx context.Context, c *Client, method, path string, query url.Values, body io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		response, err := c.send(ctx, method, path, query, body, "application/octet-stream")
		if err != nil {
			yield(zero, err)
			return
		}
		defer response.Body.Close()
		for decoder := json.NewDecoder(response.Body); ; {
			var line json.RawMessage
			if err := decoder.Decode(&line); err != nil {
				if !errors.Is(err, io.EOF) {
					yield(zero, c.explain(err))
				}
				return
			}
			value, err := item[T](line)
			if !yield(value, err) || err != nil {
				return
			}
		}
	}
}

// item decodes one line, which may be the error that ends the stream.
func item[T any](line json.RawMessage) (value T, err error) {
	var last struct {
		Failure *api.Error `json:"failure"`
	}
	if json.Unmarshal(line, &last) == nil && last.Failure != nil {
		return value, last.Failure
	}
	return value, json.Unmarshal(line, &value)
}

func streamGet[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return stream[T](ctx, c, http.MethodGet, path, query, nil)
}
