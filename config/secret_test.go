package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestSecretIsNeverShown(t *testing.T) {
	t.Parallel()
	c := valid()
	c.Iggy.Token = config.NewSecret(password)
	c.Clusters = map[string]config.Cluster{"eu": c.Cluster}
	credentials := config.Credentials{Password: config.NewSecret(password)}
	type holder struct {
		secret config.Secret
		inner  config.Config
		list   []*config.Secret
	}
	values := map[string]any{
		"secret":      c.Iggy.Token,
		"pointer":     &c.Iggy.Token,
		"iggy":        c.Iggy,
		"config":      c,
		"credentials": credentials,
		"unexported":  holder{secret: c.Iggy.Token, inner: c, list: []*config.Secret{&c.Iggy.Token}},
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%10v"} {
				fmt.Fprintf(&out, verb+"\n", value)
			}
			fmt.Fprintln(&out, fmt.Errorf("with %v", value))

			text, err := json.Marshal(value)
			require.NoError(t, err)
			out.Write(text)
			text, err = yaml.Marshal(value)
			require.NoError(t, err)
			out.Write(text)

			var log bytes.Buffer
			for _, encoder := range []zapcore.Encoder{zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())} {
				l := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&log), zap.DebugLevel))
				l.Info("any", zap.Any("value", value))
				l.Info("reflect", zap.Reflect("value", value))
				l.Sugar().Infow("sugar", "value", value)
				l.Sugar().Info(value)
			}
			slog.New(slog.NewJSONHandler(&log, nil)).Info("slog", "value", value)
			slog.New(slog.NewTextHandler(&log, nil)).Info("slog", "value", value)
			out.Write(log.Bytes())

			require.NotContains(t, out.String(), password)
			require.NotContains(t, strings.ToLower(out.String()), fmt.Sprintf("%x", password))
			if name != "unexported" {
				require.Contains(t, out.String(), "***")
			}
		})
	}
}

func TestSecretText(t *testing.T) {
	t.Parallel()
	var s config.Secret
	require.NoError(t, s.UnmarshalText([]byte("a")))
	require.Equal(t, "a", s.Reveal())
	require.True(t, s.Equal(config.NewSecret("a")))
	require.False(t, s.Equal(config.NewSecret("b")))
	require.True(t, s.IsSet())

	require.NoError(t, json.Unmarshal([]byte(`"b\n"`), &s))
	require.Equal(t, "b\n", s.Reveal())
	require.NoError(t, yaml.Unmarshal([]byte("c"), &s))
	require.Equal(t, "c", s.Reveal())
	err := json.Unmarshal([]byte(`["`+password+`"]`), &s)
	require.Error(t, err)
	require.NotContains(t, err.Error(), password)

	require.False(t, config.NewSecret("").IsSet())
	require.Equal(t, config.Secret{}, config.NewSecret(""))
	require.Empty(t, config.Secret{}.String())
	require.Equal(t, `{"s":""}`, func() string {
		text, err := json.Marshal(map[string]config.Secret{"s": {}})
		require.NoError(t, err)
		return string(text)
	}())
}

func TestSecretIsNotInErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml    string
		environ []string
	}{
		"list":                  {"iggy: {client_secret: [" + password + "]}", nil},
		"section":               {"iggy:\n  client_secret:\n    " + password + ": x\n", nil},
		"tag":                   {"iggy: {client_secret: !" + password + " " + password + "}", nil},
		"reserved character":    {"iggy:\n  client_secret: @" + password + "\n", nil},
		"colon":                 {"iggy:\n  client_secret: a: " + password + "\n", nil},
		"open quote":            {"iggy:\n  client_secret: \"" + password + "\n", nil},
		"escape":                {"iggy:\n  client_secret: \"\\" + password + "\"\n", nil},
		"alias":                 {"iggy:\n  client_secret: *" + password + "\n", nil},
		"anchor":                {"iggy:\n  client_secret: &" + password + "\n", nil},
		"percent":               {"iggy:\n  client_secret: %" + password + "\n", nil},
		"directive":             {"%" + password + "\n---\niggy: {}\n", nil},
		"too long":              {"", []string{"FETCHBOX__IGGY__CLIENT_SECRET=" + strings.Repeat(password, 20)}},
		"with token":            {"iggy: {client_secret: " + password + ", token: " + password + "}", nil},
		"duration":              {"iggy: {dial_timeout: " + password + "}", nil},
		"number":                {"producer: {connections: " + password + "}", nil},
		"bool":                  {"iggy: {tls: {enabled: " + password + "}}", nil},
		"bytes":                 {"producer: {max_batch_bytes: " + password + "}", nil},
		"retention":             {"topics: {tasks: {retention: " + password + "}}", nil},
		"endpoint":              {"iggy: {endpoint: \"iggy://iggy:" + password + "@host:1\"}", nil},
		"endpoint unparsable":   {"iggy: {endpoint: \"iggy://iggy:" + password + "@ho st:1%zz\"}", nil},
		"endpoint query":        {"iggy: {endpoint: \"iggy://host?password=" + password + "\"}", nil},
		"endpoint path":         {"iggy: {endpoint: \"iggy://host/" + password + "\"}", nil},
		"endpoint in variable":  {"", []string{"FETCHBOX__IGGY__ENDPOINT=iggy://x:" + password + "@host"}},
		"no key":                {"iggy: " + password, nil},
		"variable of a section": {"", []string{"FETCHBOX__IGGY=" + password}},
		"unknown variable":      {"", []string{"FETCHBOX__IGGY__SECRET=" + password}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(c.yaml, c.environ...)
			require.Error(t, err)
			require.NotContains(t, err.Error(), password)
			require.NotContains(t, fmt.Sprintf("%+v %#v", err, config.Faults(err)), password)
		})
	}
}
