package config

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fileLayer decodes a YAML document over the tree of sections. It walks the nodes instead of
// unmarshalling them, so that it finds all faults with key and line and quotes no values.
type fileLayer struct {
	name    string
	sources map[string]Source
	faults  []error
	// unparsed is set when the file is not YAML.
	unparsed bool
	merges   int
	// secretKey is the last key when it is a secret in block style. If the lines of the block are
	// not indented, YAML reads them as keys. secretEmpty tells that the block has no lines.
	secretKey   string
	secretEmpty bool

	// ignored reports whether an unknown key is ignored.
	ignored func(section reflect.Value, parent, name string, isSection bool) bool
	// top gets the keys at the top level before they are decoded.
	top func(keys []string)
}

func (l *fileLayer) apply(root reflect.Value, data []byte) {
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if !errors.Is(err, io.EOF) { // of an empty file
			l.syntax(err)
		}
		return
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		l.fault("", &second, errors.New("must be a single YAML document"))
	} else if !errors.Is(err, io.EOF) {
		l.syntax(err)
	}
	l.top(keysOf(document.Content[0]))
	l.section(root, "", document.Content[0])
}

// keysOf returns the keys of a mapping.
func keysOf(node *yaml.Node) (keys []string) {
	if node.Kind == yaml.MappingNode {
		for i := 0; i < len(node.Content); i += 2 {
			keys = append(keys, node.Content[i].Value)
		}
	}
	return keys
}

func (l *fileLayer) fault(key string, at *yaml.Node, err error) {
	l.faults = append(l.faults, &KeyError{Key: key, Source: Source{File: l.name, Line: at.Line}, Err: err})
}

var (
	syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	quoted     = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`")
)

// syntax reports the parser's error without the parts of the file that it quotes, which may belong
// to a secret.
func (l *fileLayer) syntax(err error) {
	l.unparsed = true
	source := Source{File: l.name}
	text := err.Error()
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		source.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	l.faults = append(l.faults, &KeyError{Source: source, Err: errors.New("not valid YAML: " + quoted.ReplaceAllString(text, "…"))})
}

func (l *fileLayer) section(v reflect.Value, key string, node *yaml.Node) {
	node = resolveAlias(node)
	if isNull(node) {
		return // a section with all its keys commented out
	}
	if node.Kind != yaml.MappingNode {
		l.fault(key, node, errors.New("must be a section of keys"))
		return
	}
	l.mapping(v, key, node, map[string]int{}, false)
}

// maxMerges limits merges, which may be circular or grow exponentially.
const maxMerges = 1000

// mapping decodes the keys of a mapping, then those keys of its merges that it does not have.
func (l *fileLayer) mapping(v reflect.Value, key string, node *yaml.Node, seen map[string]int, merged bool) {
	var merges []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if name.Kind == yaml.ScalarNode && name.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if name.Kind != yaml.ScalarNode {
			l.fault(key, name, errors.New("keys must be plain text"))
			continue
		}
		if line, ok := seen[name.Value]; ok {
			if !merged {
				l.duplicate(v, key, name, value, line)
			}
			continue
		}
		seen[name.Value] = name.Line
		l.key(v, key, name, value)
	}
	for _, merge := range merges {
		l.merge(v, key, merge, seen)
	}
}

func (l *fileLayer) merge(v reflect.Value, key string, node *yaml.Node, seen map[string]int) {
	node = resolveAlias(node)
	l.merges++
	switch {
	case l.merges == maxMerges:
		l.fault(key, node, errors.New("too many merges"))
	case l.merges > maxMerges: // reported once
	case node.Kind == yaml.MappingNode:
		l.mapping(v, key, node, seen, true)
	case node.Kind == yaml.SequenceNode:
		for _, one := range node.Content {
			l.merge(v, key, one, seen)
		}
	default:
		l.fault(key, node, errors.New("only sections can be merged"))
	}
}

func sameKey(a, b string) bool { return a == b }

func (l *fileLayer) key(section reflect.Value, parent string, name, node *yaml.Node) {
	key := joinKey(parent, name.Value)
	f, ok := findField(section, name.Value, sameKey)
	if !ok {
		l.unknown(section, parent, name, node)
		return
	}
	l.secretKey = ""
	if f.value.Type() == secretType && isBlockOrEmpty(node) {
		l.secretKey, l.secretEmpty = key, isNull(node) || node.Value == ""
	}
	switch kindOf(f.value.Type()) {
	case kindSection, kindSections, kindMap:
		l.section(f.value, key, node)
	case kindList:
		l.list(f.value, key, name, node)
	default:
		l.value(f.value, key, name, node)
	}
	f.set()
}

// duplicate reports a key that is already set at line.
func (l *fileLayer) duplicate(section reflect.Value, parent string, name, node *yaml.Node, line int) {
	if _, known := findField(section, name.Value, sameKey); !known {
		l.unknown(section, parent, name, node)
		return
	}
	l.fault(joinKey(parent, name.Value), name, fmt.Errorf("is already set at line %d", line))
}

func (l *fileLayer) unknown(section reflect.Value, parent string, name, node *yaml.Node) {
	value := resolveAlias(node)
	ignored := l.ignored(section, parent, name.Value, value.Kind == yaml.MappingNode || isNull(value))
	if l.secretKey != "" && (l.secretEmpty || !ignored) {
		l.fault(parent, name, fmt.Errorf("unknown key, not shown because it may be a part of %s: indent all lines of that value", l.secretKey))
		return
	}
	if ignored {
		return
	}
	l.fault(joinKey(parent, name.Value), name, unknownKey(section, name.Value))
}

// isBlockOrEmpty reports whether a value is in block style, or missing.
func isBlockOrEmpty(node *yaml.Node) bool {
	return isNull(node) || node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

func (l *fileLayer) value(v reflect.Value, key string, name, node *yaml.Node) {
	text, err := scalar(node)
	if err == nil {
		err = setText(v, text)
	}
	if err != nil {
		l.fault(key, name, err)
		return
	}
	l.sources[key] = Source{File: l.name, Line: name.Line}
}

func (l *fileLayer) list(v reflect.Value, key string, name, node *yaml.Node) {
	node = resolveAlias(node)
	if node.Kind != yaml.SequenceNode {
		l.fault(key, name, errors.New("must be a list"))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		text, err := scalar(item)
		if err == nil {
			err = setText(list.Index(i), text)
		}
		if err != nil {
			l.fault(fmt.Sprintf("%s[%d]", key, i), item, err)
		}
	}
	v.Set(list)
	l.sources[key] = Source{File: l.name, Line: name.Line}
}

// scalar returns the text of a scalar as it is written, whatever type it has in YAML: a password
// may consist of digits.
func scalar(node *yaml.Node) (string, error) {
	node = resolveAlias(node)
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", errors.New("must be a single value")
	case isNull(node):
		return "", errors.New(`must have a value ("" for an empty one)`)
	}
	switch node.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge":
		return node.Value, nil
	}
	return "", errors.New("must have no tag of its own")
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

func resolveAlias(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}
