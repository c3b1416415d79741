package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The forms of payloads.
const (
	payloadAuto     = "auto" // the one that fits the payload
	payloadText     = "text"
	payloadJSON     = "json"
	payloadHex      = "hex"
	payloadProtobuf = "protobuf"
)

var payloadForms = []string{payloadAuto, payloadText, payloadJSON, payloadHex, payloadProtobuf}

// typeOptions say which protobuf types there are.
type typeOptions struct {
	files, importPaths []string
	name               string
}

func (o *typeOptions) addFlags(c *cobra.Command, typeHelp string) {
	f := c.Flags()
	f.StringArrayVar(&o.files, "proto", nil, "`file` with protobuf types: a .proto file or a descriptor set; may be repeated")
	f.StringArrayVar(&o.importPaths, "proto-path", nil, "`directory` for the imports of .proto files, beside those of the files; may be repeated")
	f.StringVar(&o.name, "type", "", typeHelp)
	_ = c.MarkFlagDirname("proto-path")
	completeFlag(c, "type", o.complete)
}

// load reads the types. The chosen one is nil without --type.
func (o typeOptions) load(ctx context.Context) (*messageTypes, protoreflect.MessageType, error) {
	types, err := loadMessageTypes(ctx, o.files, o.importPaths)
	if err != nil || o.name == "" {
		return types, nil, err
	}
	chosen, err := types.find(o.name)
	return types, chosen, err
}

// payloadOptions say how payloads are shown.
type payloadOptions struct {
	form  string
	types typeOptions
}

func (o *payloadOptions) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&o.form, "payload", payloadAuto, "`form` of the payloads: "+joinWithOr(payloadForms))
	o.types.addFlags(c, "`name` of the protobuf type of all payloads (default: the one that the header message-type of a message names)")
	completeFlag(c, "payload", fixed(payloadForms...))
}

// payloadDecoder decodes payloads for output.
type payloadDecoder struct {
	form   string
	types  *messageTypes
	chosen protoreflect.MessageType // nil: the one of the message
}

func (o payloadOptions) decoder(ctx context.Context) (payloadDecoder, error) {
	if !slices.Contains(payloadForms, o.form) {
		return payloadDecoder{}, usagef("--payload must be %s, not %q", joinWithOr(payloadForms), o.form)
	}
	if o.types.name != "" {
		if o.form != payloadAuto && o.form != payloadProtobuf {
			return payloadDecoder{}, usagef("--type is for protobuf, not for --payload %s", o.form)
		}
		o.form = payloadProtobuf
	}
	types, chosen, err := o.types.load(ctx)
	return payloadDecoder{o.form, types, chosen}, err
}

// decodedPayload is a payload in the form in which it is shown.
type decodedPayload struct {
	form string
	text string          // of text and hex
	json json.RawMessage // of JSON and protobuf, on one line
}

// decode decodes the payload of a message. What can't be decompressed is shown as it is stored.
func (d payloadDecoder) decode(m message) (decodedPayload, error) {
	if m.fault != nil {
		return hexPayload(m.payload), m.fault
	}
	switch d.form {
	case payloadHex:
		return hexPayload(m.payload), nil
	case payloadText:
		if !utf8.Valid(m.payload) {
			return decodedPayload{}, errors.New("the payload is not text in UTF-8")
		}
		return decodedPayload{form: payloadText, text: string(m.payload)}, nil
	case payloadJSON:
		line, err := compactJSON(m.payload)
		if err != nil {
			return decodedPayload{}, errors.New("the payload is not JSON")
		}
		return decodedPayload{form: payloadJSON, json: line}, nil
	case payloadProtobuf:
		return d.protobuf(m)
	}
	return d.fitting(m), nil
}

// fitting decodes the payload in the form that fits it.
func (d payloadDecoder) fitting(m message) decodedPayload {
	if m.header(topic.HeaderMessageType) != "" {
		if decoded, err := d.protobuf(m); err == nil {
			return decoded
		}
	}
	if isContainer(m.payload) || strings.HasPrefix(m.header(topic.HeaderContentType), "application/json") {
		if line, err := compactJSON(m.payload); err == nil {
			return decodedPayload{form: payloadJSON, json: line}
		}
	}
	if isText(m.payload) {
		return decodedPayload{form: payloadText, text: string(m.payload)}
	}
	return hexPayload(m.payload)
}

// protobuf decodes the payload as the chosen type, or as the one that the message names.
func (d payloadDecoder) protobuf(m message) (decodedPayload, error) {
	typ := d.chosen
	if typ == nil {
		name := m.header(topic.HeaderMessageType)
		if name == "" {
			return decodedPayload{}, errors.New("it has no header message-type: --type says which type it is")
		}
		var err error
		if typ, err = d.types.FindMessageByName(protoreflect.FullName(name)); err != nil {
			return decodedPayload{}, fmt.Errorf("the type %s is not known: --proto names the file with it", name)
		}
	}
	value := typ.New().Interface()
	if err := (proto.UnmarshalOptions{Resolver: d.types}).Unmarshal(m.payload, value); err != nil {
		return decodedPayload{}, fmt.Errorf("it is no %s: %w", typ.Descriptor().FullName(), err)
	}
	line, err := protoJSON(value, d.types)
	return decodedPayload{form: payloadProtobuf, json: line}, err
}

func hexPayload(payload []byte) decodedPayload {
	return decodedPayload{form: payloadHex, text: hex.EncodeToString(payload)}
}

func compactJSON(text []byte) ([]byte, error) {
	var b bytes.Buffer
	err := json.Compact(&b, text)
	return b.Bytes(), err
}

// isContainer reports whether a payload begins like a JSON object or array.
func isContainer(payload []byte) bool {
	trimmed := bytes.TrimLeft(payload, " \t\r\n")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[')
}

// isText reports whether a payload is UTF-8 without control characters other than those of lines.
func isText(payload []byte) bool {
	return utf8.Valid(payload) && !bytes.ContainsFunc(payload, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r)
	})
}

// line is the payload on one line of text. With limited, a long one is cut.
func (p decodedPayload) line(size int, limited bool) string {
	const longestText, longestHex = 1000, 128 // characters
	text := p.text
	if p.json != nil {
		text = string(p.json)
	}
	longest := longestText
	if p.form == payloadHex {
		longest = longestHex
	}
	if limited && len(text) > longest { // at most 4 bytes a character: a look at the beginning is enough
		if begin := truncate(text[:min(len(text), 4*longest+4)], longest); len(begin) < len(text) {
			return fmt.Sprintf("%s (%d bytes)", printable(begin), size)
		}
	}
	return printable(text)
}
