// Reads an exported log as any reader of transparency logs would, by Go's own libraries.
//
// Usage: independent FOLDER VKEY [EARLIER-CHECKPOINT]
// Checks the checkpoint's signature, then for every entry an inclusion proof that it makes from the
// tiles, and the growth from the earlier checkpoint. Prints the number of entries.
//
// Usage: independent inclusion VKEY (PROOF ENTRY)...
// Checks proofs that it was given (c2sp.org/tlog-proof), each of the entry in the file beside it.
// Prints how many there were.
//
// Usage: independent consistency VKEY (OLD NEW HASHES)...
// Checks that one checkpoint continues another by a file of base64 hashes, one a line. Prints how
// many there were.
//
// Usage: independent cosigned VKEY WITNESS-VKEY... -- CHECKPOINT
// Checks that the log and every witness signed the checkpoint. Prints the times of the witnesses.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type folder string

func (f folder) Height() int { return height }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		content, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(path string, verifiers note.Verifiers) tlog.Tree {
	content, err := os.ReadFile(path)
	must(err)
	return tree(content, verifiers)
}

func tree(content []byte, verifiers note.Verifiers) tlog.Tree {
	opened, err := note.Open(content, verifiers)
	must(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	hash, err := tlog.ParseHash(lines[2])
	must(err)
	return tlog.Tree{N: size, Hash: hash}
}

func (f folder) bundle(n, size int64) []byte {
	// The path of a tile, with other contents.
	width := int(size - n<<height)
	if width > 1<<height {
		width = 1 << height
	}
	path := tlog.Tile{H: height, L: 0, N: n, W: width}.Path()
	path = strings.Replace(path, fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
	content, err := os.ReadFile(filepath.Join(string(f), path))
	must(err)
	return content
}

func hashes(lines []string) []tlog.Hash {
	var found []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		must(err)
		found = append(found, hash)
	}
	return found
}

func inclusion(verifiers note.Verifiers, files []string) {
	for at := 0; at < len(files); at += 2 {
		content, err := os.ReadFile(files[at])
		must(err)
		head, signed, found := bytes.Cut(content, []byte("\n\n"))
		lines := strings.Split(string(head), "\n")
		if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
			must(errors.New("not a proof"))
		}
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
		must(err)
		entry, err := os.ReadFile(files[at+1])
		must(err)
		log := tree(signed, verifiers)
		must(tlog.CheckRecord(hashes(lines[2:]), log.N, log.Hash, index, tlog.RecordHash(entry)))
	}
	fmt.Println(len(files) / 2)
}

func consistency(verifiers note.Verifiers, files []string) {
	for at := 0; at < len(files); at += 3 {
		earlier, later := open(files[at], verifiers), open(files[at+1], verifiers)
		content, err := os.ReadFile(files[at+2])
		must(err)
		proof := hashes(strings.Fields(string(content)))
		must(tlog.CheckTree(proof, later.N, later.Hash, earlier.N, earlier.Hash))
	}
	fmt.Println(len(files) / 3)
}

// A witness's key: c2sp.org/tlog-cosignature, which the library leaves to others.
type witness struct {
	name string
	key  []byte
}

func newWitness(vkey string) witness {
	parts := strings.SplitN(vkey, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	must(err)
	if len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		must(errors.New("not the key of a witness"))
	}
	return witness{parts[0], key}
}

func (w witness) Name() string { return w.name }

func (w witness) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(w.name+"\n"), w.key...))
	return binary.BigEndian.Uint32(sum[:])
}

func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key[1:], []byte(signed), signature[8:])
}

func cosigned(log note.Verifier, rest []string) {
	known := []note.Verifier{log}
	for rest[0] != "--" {
		known = append(known, newWitness(rest[0]))
		rest = rest[1:]
	}
	content, err := os.ReadFile(rest[1])
	must(err)
	opened, err := note.Open(content, note.VerifierList(known...))
	must(err)
	if len(opened.Sigs) != len(known) {
		must(fmt.Errorf("%d of %d signed", len(opened.Sigs), len(known)))
	}
	for _, signature := range opened.Sigs[1:] {
		blob, err := base64.StdEncoding.DecodeString(signature.Base64)
		must(err)
		fmt.Println(signature.Name, binary.BigEndian.Uint64(blob[4:]))
	}
}

func main() {
	if what := os.Args[1]; what == "inclusion" || what == "consistency" || what == "cosigned" {
		verifier, err := note.NewVerifier(os.Args[2])
		must(err)
		switch verifiers := note.VerifierList(verifier); what {
		case "inclusion":
			inclusion(verifiers, os.Args[3:])
		case "consistency":
			consistency(verifiers, os.Args[3:])
		default:
			cosigned(verifier, os.Args[3:])
		}
		return
	}
	at := folder(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	must(err)
	verifiers := note.VerifierList(verifier)
	tree := open(filepath.Join(os.Args[1], "checkpoint"), verifiers)
	reader := tlog.TileHashReader(tree, at)
	seq := int64(0)
	for n := int64(0); n<<height < tree.N; n++ {
		for content := at.bundle(n, tree.N); len(content) > 0; seq++ {
			length := int(binary.BigEndian.Uint16(content))
			proof, err := tlog.ProveRecord(tree.N, seq, reader)
			must(err)
			leaf := tlog.RecordHash(content[2 : 2+length])
			must(tlog.CheckRecord(proof, tree.N, tree.Hash, seq, leaf))
			content = content[2+length:]
		}
	}
	if len(os.Args) > 3 {
		earlier := open(os.Args[3], verifiers)
		proof, err := tlog.ProveTree(tree.N, earlier.N, reader)
		must(err)
		must(tlog.CheckTree(proof, tree.N, tree.Hash, earlier.N, earlier.Hash))
	}
	fmt.Println(seq)
}
