#!/usr/bin/env bash
# One reader for all verbs: what is compressed, named oddly, hidden, blank, or no text at all is read, left out or refused
# alike by pretrain, eval text, tokenizer train, tokenizer inspect and tokenizer encode --jsonl.
. "$(dirname "$0")/lib.sh"
cat >tiny.toml <<END_OF_RECIPE
[tokenizer]
vocab_size = 270
[data]
held_out_fraction = 0
train = ["none"]
[train]
steps = 1
sequence_length = 8
batch_size = 1
[log]
sample_tokens = 0
$tiny_model
END_OF_RECIPE
whales 40 >text.txt
$minke pretrain tiny.toml text.txt --out model >/dev/null 2>&1
model=model/latest

# bytes_of SOURCE…: of text, as each verb counts them.
pretrained() {
  rm -rf run
  $minke pretrain tiny.toml "$@" --out run >run.txt 2>&1 || { cat run.txt >&2; return 1; }
  grep -o '"bytes": [0-9]*' run/data/dataset.json | grep -o '[0-9]*'
}
evaluated() { $minke eval text -m $model "$@" 2>eval.txt | grep -oE '[0-9]+ bytes' | grep -oE '[0-9]+'; }
inspected() { $minke tokenizer inspect -t $model "$@" 2>inspect.txt | sed -n 's/.*: \([0-9.]*\) MB, \([0-9]*\) tokens, \([0-9.]*\) bytes per token.*/\2 \3/p' | awk '{ printf "%d\n", $1 * $2 + 0.5 }'; }
trained_merges() { rm -rf trained; $minke tokenizer train "$@" --vocab-size 270 --out trained 2>train.txt && grep -oE '[0-9]+ merges' train.txt; }
# reads BYTES SOURCE: all verbs see so much text.
reads() {
  local expected=$1 source=$2 got
  got=$(pretrained "$source") && [ "$got" = "$expected" ] || fail "pretrain reads '$got' bytes of $source, not $expected"
  got=$(evaluated "$source") && [ "$got" = "$expected" ] || fail "eval text reads '$got' bytes of $source, not $expected: $(cat eval.txt)"
  got=$(inspected "$source") && [ $((got > expected ? got - expected : expected - got)) -le 1 ] ||
    fail "tokenizer inspect reads '$got' bytes of $source, not $expected: $(cat inspect.txt)"
  trained_merges "$source" >/dev/null || fail "tokenizer train: $source: $(cat train.txt)"
  cmp -s trained/tokenizer.json reference/tokenizer.json || [ -n "${other_text:-}" ] || fail "tokenizer train learns something else of $source"
}
for i in {1..8}; do printf '{"text":"hello there, hello whale %d"}\n' $i; done >a.jsonl
bytes=$(for i in {1..8}; do printf 'hello there, hello whale %d' $i; done | wc -c)
$minke tokenizer train a.jsonl --vocab-size 270 --out reference 2>/dev/null
reads "$bytes" a.jsonl
for name in a.json a.ndjson a.jsonlines a.JSONL a.txt a; do
  [ -e $name ] || cp a.jsonl $name
  reads "$bytes" $name
done
gzip -k a.json a.jsonl
cp a.jsonl.gz c4-train.00000.json.gz
cp a.jsonl.gz renamed
for name in c4-train.00000.json.gz renamed; do reads "$bytes" $name; done
if command -v zstd >/dev/null; then zstd -qk a.jsonl && reads "$bytes" a.jsonl.zst; fi
# Blank lines, line ends, a byte order mark, no end of the last line.
sed 's/$/\r/' a.jsonl >crlf.jsonl
sed 'a\  ' a.jsonl >spaces.jsonl
{ printf '\xEF\xBB\xBF\n\t\r\n'; cat a.jsonl; } >mark.jsonl
head -c -1 a.jsonl >unended.jsonl
for name in crlf spaces mark unended; do
  reads "$bytes" $name.jsonl
  $minke tokenizer encode -t $model --jsonl $name.jsonl --out ids.jsonl 2>/dev/null
  $minke tokenizer encode -t $model --jsonl a.jsonl --out reference.jsonl 2>/dev/null
  cmp ids.jsonl reference.jsonl || fail "encode --jsonl $name.jsonl"
done
$minke tokenizer encode -t $model --jsonl a.jsonl.gz --out ids.jsonl 2>/dev/null && cmp ids.jsonl reference.jsonl || fail "encode --jsonl of a .gz"

# Folders and globs; hidden files are counted and said.
mkdir -p data/.ipynb_checkpoints data/sub
cp a.jsonl.gz data/sub/
printf '\0\5\26\7\0\2\0\0Mac OS X        ' >data/._a.txt
echo "an old copy" >data/.ipynb_checkpoints/a-checkpoint.txt
echo '{"hidden_size": 3}' >data/config.json
reads "$bytes" data
grep -q '2 hidden files of data are left out, for example data/._a.txt' run.txt || fail "pretrain: $(cat run.txt)"
grep -q '2 hidden files of data are left out' eval.txt || fail "eval text: $(cat eval.txt)"
grep -q '2 hidden files of data are left out' train.txt || fail "tokenizer train: $(cat train.txt)"
grep -q '1 file of data is left out: data/config.json' run.txt || fail "pretrain: $(cat run.txt)"
rm data/config.json
reads "$bytes" 'data/*'
grep -q "2 hidden files of data/\* are left out" run.txt || fail "pretrain: $(cat run.txt)"

# refused_by_all MESSAGE SOURCE
refused_by_all() {
  mistake "$1" $minke pretrain tiny.toml "$2" --out refused
  [ ! -e refused ] || fail "a run was begun with $2"
  mistake "$1" $minke eval text -m $model "$2"
  mistake "$1" $minke tokenizer train "$2" --vocab-size 270 --out refused
  mistake "$1" $minke tokenizer inspect -t $model "$2"
}
printf 'text,label\nhello,1\n' >t.csv
cp t.csv t.TSV
tar cf t.tar a.jsonl
tar czf t.tar.gz a.jsonl
cp t.tar.gz t.txt.gz
printf 'PAR1 and so on' >t.parquet
printf '\xFF\xFEh\0i\0' >utf16.txt
printf 'h\0i\0' >utf16
printf 'un caf\xe9 cr\xe8me' >latin1.txt
tar cf old --format=v7 a.jsonl
cp old old.tar
head -c 3000 "$minke" >binary.txt
echo '[{"text": "a"}]' >list.json
printf '{\n "text": "a"\n}\n' >pretty.json
printf '{"text":"a"}\0{"text":"b"}\n' >nul.jsonl
echo '{"txt":"a"}' >key.jsonl
refused_by_all 'is a table (.csv)' t.csv
refused_by_all 'is a table (.tsv)' t.TSV
refused_by_all 'is a file of tar' t.tar
refused_by_all 'is a file of tar' t.tar.gz
refused_by_all 'is a file of tar' t.txt.gz
refused_by_all 'is a file of Parquet' t.parquet
refused_by_all 'is a file of UTF-16' utf16.txt
refused_by_all 'byte 1 is a NUL. If it is UTF-16' utf16
refused_by_all 'is not text in UTF-8' latin1.txt
refused_by_all 'is an archive (.tar)' old.tar
refused_by_all 'is a NUL' old
refused_by_all 'a program (ELF)' binary.txt
refused_by_all 'not JSON Lines' list.json
refused_by_all 'not JSON Lines' pretty.json
cp list.json list.txt
refused_by_all 'list.txt is JSON, but not JSON Lines' list.txt
refused_by_all 'is a NUL' nul.jsonl
cp key.jsonl key.txt
refused_by_all 'no key "text"; the keys are: txt' key.txt
refused_by_all 'no key "text"; the keys are: txt' key.jsonl
refused_by_all 'does not exist' nowhere.txt
refused_by_all 'name the folder itself' 'data/**/*.txt'
mistake 'is a NUL' $minke tokenizer encode -t $model --jsonl nul.jsonl --out ids.jsonl
# What is read is not written over, and a token that is not there is not added in silence.
cp a.jsonl own.jsonl
mistake 'that is the file own.jsonl to be read' $minke tokenizer encode -t $model --jsonl own.jsonl --out own.jsonl
cmp a.jsonl own.jsonl || fail "the text has been written over"
$minke tokenizer train a.jsonl --vocab-size 257 --no-special --out plain 2>/dev/null
cp -r plain kept
mistake 'plain/tokenizer.json already exists: remove it, or choose another --out' $minke tokenizer train text.txt --out plain
diff -r plain kept || fail "the tokenizer has been written over"
mistake 'has no begin-of-text token' $minke tokenizer encode -t plain --bos hi
mistake 'has no end-of-text token' $minke tokenizer encode -t plain --eos hi
# A NUL ends no other JSON either.
for file in config.json tokenizer.json tokenizer_config.json; do
  cp -rL $model broken
  printf '\0x' >>broken/$file
  mistake "$file" $minke generate -m broken -p hi -n 1
  rm -r broken
done
[ ! -e refused ] || fail "something was written"
