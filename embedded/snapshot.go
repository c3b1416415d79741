package embedded

import (
	"archive/zip"
	"bytes"
	"fmt"
	"slices"
)

// Kinds of a snapshot's parts and the number that stands for all of them.
var snapshotParts = map[uint8]string{
	1: "filesystem_overview", 2: "process_list", 3: "resource_usage", 4: "test", 5: "server_logs", 6: "server_config",
}

const snapshotAll = 100

// getSnapshot reads `[u8 compression][u8 n][n × u8 kind]` and answers a ZIP archive with a text for each kind. The real
// server puts the output of system tools there; here every part says what it would hold. Compressions are 1 stored, 2
// deflated; of the real server's others (3 to 6) Go's library has none, they answer 9000.
func (c *conn) getSnapshot(d *decoder) Status {
	compression := d.u8()
	kinds := slices.Clone(d.bytes(int(d.u8())))
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if compression < 1 || compression > 6 {
		return StatusInvalidCommand
	}
	for _, k := range kinds {
		if _, ok := snapshotParts[k]; !ok && k != snapshotAll || k == snapshotAll && len(kinds) > 1 {
			return StatusInvalidCommand
		}
	}
	if len(kinds) == 1 && kinds[0] == snapshotAll {
		kinds = []byte{1, 2, 3, 4, 5, 6}
	}
	method := zip.Store
	switch compression {
	case 1:
	case 2:
		method = zip.Deflate
	default:
		return StatusSnapshotFailed
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, k := range kinds {
		w, err := z.CreateHeader(&zip.FileHeader{Name: snapshotParts[k] + ".txt", Method: method})
		if err != nil {
			return StatusSnapshotFailed
		}
		if _, err := fmt.Fprintf(w, "%s of an embedded server %s: nothing to report\n", snapshotParts[k], version); err != nil {
			return StatusSnapshotFailed
		}
	}
	if err := z.Close(); err != nil {
		return StatusSnapshotFailed
	}
	c.out = append(c.out, buf.Bytes()...)
	return StatusOK
}
