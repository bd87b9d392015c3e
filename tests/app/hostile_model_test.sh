#!/usr/bin/env bash
# Damaged and contradictory model folders (safetensors, config.json, the index of shards, tokenizer.json), made from
# tests/golden/v3: every verb that reads them refuses with one message and writes nothing. MINKE_SHOW=1 prints the
# messages.
. "$(dirname "$0")/lib.sh"
export LC_ALL=C

# A good folder, which every verb accepts.
mkdir ../good
cp "$source"/tests/golden/v3/{config.json,model.safetensors} ../good
echo 'the whale sings, and the sea is blue: 0123456789' >../text.txt
$minke tokenizer train ../text.txt --kind characters --out ../good >../out.txt 2>&1 || fail "$(cat ../out.txt)"
cp "$source/tests/golden/v3/expected.safetensors" ../tokens.safetensors
fresh() { rm -rf m && cp -r ../good m; }
inspect="$minke inspect -m m" generate="$minke generate -m m -p the -n 2"
score="$minke score -m m --tokens ../tokens.safetensors --out scores.safetensors"
fresh
for verb in "$inspect" "$generate" "$score"; do $verb >../out.txt 2>&1 || fail "$verb: $(cat ../out.txt)"; done
rm scores.safetensors
: >../empty
refused '--tokens ../empty is empty' $minke score -m m --tokens ../empty --out scores.safetensors
# The folder m is refused by every verb that reads the weights.
refused_model() { for verb in "$inspect" "$generate" "$score"; do refused "$1" $verb; done; }

# --- safetensors: 8 bytes of header length, header, data
weights=../good/model.safetensors
header_bytes=$(od -An -tu8 -N8 $weights | tr -d ' ')
header=$(head -c $((8 + header_bytes)) $weights | tail -c +9 | sed 's/ *$//')
tail -c +$((9 + header_bytes)) $weights >../data
data_bytes=$(wc -c <../data)
little_endian() { local i; for i in 0 8 16 24 32 40 48 56; do printf "\\x$(printf %x $(($1 >> i & 255)))"; done; }
file_of() { { little_endian ${#1} && printf '%s' "$1" && cat ../data; } >m/model.safetensors; }
bad_header() { fresh; file_of "$2"; refused_model "$1"; }
edit_header() { local edited; edited=$(sed -E "$2" <<<"$header"); [ "$edited" != "$header" ] || fail "no change: $2"; bad_header "$1" "$edited"; }
bad_bytes() { fresh; cat >m/model.safetensors; refused_model "$1"; }
file_of "$header" && $inspect >/dev/null || fail "the header as it is must pass"

bad_bytes 'm/model.safetensors: 0 bytes are too few' </dev/null
bad_bytes '7 bytes are too few' <<<'abcdef'
for length in 0x7fffffffffffffff -1 $((1 << 40)) $((header_bytes + data_bytes + 1)); do
  { little_endian $length; tail -c +9 $weights; } | bad_bytes 'announce a header of'
done
{ little_endian 0; tail -c +9 $weights; } | bad_bytes 'the header is not valid JSON'
head -c -1 $weights | bad_bytes 'the file is cut off or damaged'
head -c 1000 $weights | bad_bytes 'cut off'
{ cat $weights; printf x; } | bad_bytes 'belong to no tensor'
head -c 38336 /dev/zero | bad_bytes 'not valid JSON'
bad_header 'not valid JSON' "$(printf '%5000s' '')"
bad_header 'not valid JSON' "${header%?}"
bad_header 'must be a JSON object' '[]'
bad_header 'must be a JSON object' "$(printf '[%.0s' {1..100000})"
bad_header 'unknown field' "{$(printf '"a":{%.0s' {1..10000})"
bad_header 'twice' "{\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},${header#\{}"
bad_header 'not valid JSON' "{\"$(printf '\xff\xfe')\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},${header#\{}"
bad_header "name of a tensor has 5000 bytes" "{\"$(printf 'x%.0s' {1..5000})\":{},${header#\{}"
bad_header 'is not part of the model of config.json' "{\"extra\\u001b[31m\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},${header#\{}"
first='"model.embed_tokens.weight":\{"dtype":"F32","shape":\[41,16\],"data_offsets":\[([0-9]+),([0-9]+)\]'
as() { echo "s/$first/\"model.embed_tokens.weight\":{\"dtype\":\"$1\",\"shape\":$2,\"data_offsets\":$3/"; }
edit_header 'supported are' "$(as F12 '[41,16]' '[\1,\2]')"
edit_header 'needs 1312 bytes but has 2624' "$(as BF16 '[41,16]' '[\1,\2]')"
edit_header 'impossible shape' "$(as F32 '[4294967296,4294967296]' '[\1,\2]')"
edit_header 'impossible shape' "$(as F32 '[9223372036854775807,9223372036854775807]' '[\1,\2]')"
edit_header 'has -41 where it cannot be' "$(as F32 '[-41,16]' '[\1,\2]')"
edit_header 'has a dimension of' "$(as F32 '[18446744073709551615]' '[\1,\2]')"
edit_header '1e99 where it cannot be' "$(as F32 '[1e99]' '[\1,\2]')"
edit_header 'more than 8 dimensions' "$(as F32 '[41,16,1,1,1,1,1,1,1]' '[\1,\2]')"
edit_header 'needs 2688 bytes' "$(as F32 '[42,16]' '[\1,\2]')"
edit_header 'is at bytes' "$(as F32 '[41,16]' '[\2,\1]')"
edit_header 'is at bytes' "$(as F32 '[41,16]' '[\1,18446744073709551615]')"
edit_header 'more than two data_offsets' "$(as F32 '[41,16]' '[\1,\2,\2]')"
edit_header 'lacks one of' "$(as F32 '[41,16]' '[]')"
edit_header 'unknown field' 's/"shape"/"form"/'
edit_header 'overlaps the one before it' "$(as F32 '[41,16]' '[0,2624]')"
edit_header 'overlaps the one before it' 's/"data_offsets":\[[0-9]+,([0-9]+)\]\}\}$/"data_offsets":[0,\1]}}/;s/("shape":)\[[0-9,]+\](,"data_offsets":\[0,'$data_bytes'\]\}\}$)/\1['$((data_bytes / 4))']\2/'
edit_header 'tensor model.norm.weight is not among' 's/"model.norm.weight"/"model.form.weight"/'
edit_header '[vocab_size, hidden_size] = [41, 16]' "$(as F32 '[16,41]' '[\1,\2]')"
edit_header '[vocab_size, hidden_size] = [41, 16]' "$(as F32 '[656]' '[\1,\2]')"
fresh; file_of "$(sed -E "$(as I32 '[41,16]' '[\1,\2]')" <<<"$header")"
for verb in "$generate" "$score"; do refused 'has the type i32' $verb; done

# Weights that are no numbers: an f32 whose bits are all 1.
fresh
{ head -c $((8 + header_bytes)) $weights; head -c $data_bytes /dev/zero | tr '\0' '\377'; } >m/model.safetensors
echo '{"question": "the", "choices": [" whale", " sea"], "answer": 0}' >../questions.jsonl
for verb in "$generate" "$score" "$minke eval text -m m ../text.txt" "$minke eval choices -m m ../questions.jsonl"; do
  refused "the model's output is not finite: its weights are damaged" $verb
done

at_model() { rm -rf m/model.safetensors; "$@"; }
fresh; at_model mkdir m/model.safetensors; refused_model 'is a folder'
fresh; at_model ln -s nowhere m/model.safetensors; refused_model 'it is a link to nowhere, which does not exist'
fresh; at_model ln -s model.safetensors m/model.safetensors; refused_model 'symbolic links'
fresh; at_model mkfifo m/model.safetensors; refused_model 'is a pipe or a device, not a file'
fresh; at_model touch m/pytorch_model.bin; for verb in "$generate" "$score"; do refused 'only pytorch_model.bin' $verb; done
fresh; at_model true; for verb in "$generate" "$score"; do refused 'has neither' $verb; done
if [ "$(id -u)" != 0 ]; then fresh; chmod 0 m/model.safetensors; refused_model 'Permission denied'; fi
echo "safetensors: $refusals"; refusals=0

# --- config.json
bad_config() { fresh; printf '%s' "$2" >m/config.json; refused_model "$1"; }
config=$(<../good/config.json)
bad_field() {  # EXPECTED FIELD VALUE
  local edited
  edited=$(sed -E "s/\"$2\": [^,]*/\"$2\": $3/" <<<"$config")
  [ "$edited" != "$config" ] || fail "no field $2"
  bad_config "$1" "$edited"
}
without() { bad_config "$1" "$(grep -v "\"$2\"" <<<"$config")"; }
added() { bad_config "$1" "{$2,${config#\{}"; }
fresh; rm m/config.json; refused_model 'm/config.json'
fresh; rm m/config.json; mkdir m/config.json; refused_model 'is a folder'
fresh; rm m/config.json; ln -s config.json m/config.json; refused_model 'm/config.json'
for text in '' 'not json' "${config%?}" '{"model_type": "deepseek_v3",}' "$(printf '\xff\xfe{}')" "$config x"; do
  bad_config 'm/config.json: not valid JSON' "$text"
done
bad_config 'a JSON object' '[]'
bad_config 'a JSON object' '3'
bad_config 'nested deeper' "$(printf '[%.0s' {1..100000})"
bad_config 'more than 4096 keys' "{$(printf '"k%d":0,' {1..5000})\"model_type\":\"llama\"}"
bad_config 'at most' "{\"a\": \"$(head -c 300000 /dev/zero | tr '\0' a)\"}"
bad_field 'model_type "mamba" is not known; minke reads llama' model_type '"mamba"'
bad_field 'model_type is 3' model_type 3
without 'model_type is missing' model_type
without 'hidden_size is missing' hidden_size
without 'num_hidden_layers is missing' num_hidden_layers
bad_field 'hidden_size is "16", but a whole number' hidden_size '"16"'
bad_field 'hidden_size is 16.5' hidden_size 16.5
bad_field 'hidden_size is a list' hidden_size '[16]'
bad_field 'hidden_size is -16; it must be between 1 and' hidden_size -16
bad_field "hidden_size is $((1 << 40)); it must be between" hidden_size $((1 << 40))
bad_field 'hidden_size is 18446744073709551615' hidden_size 18446744073709551615
bad_field 'hidden_size is 0' hidden_size 0
bad_field 'not valid JSON' hidden_size NaN
bad_field 'not valid JSON' rms_norm_eps Infinity
bad_field 'not valid JSON' rms_norm_eps 1e999
bad_field 'rms_norm_eps is -1' rms_norm_eps -1
bad_field 'vocab_size is 0' vocab_size 0
bad_field "vocab_size is $((1 << 25)); it must be between" vocab_size $((1 << 25))
bad_field 'num_hidden_layers is 1000000000; it must be between 1 and 4096' num_hidden_layers 1000000000
bad_field 'num_attention_heads is 0' num_attention_heads 0
bad_field 'n_routed_experts 9 cannot be split into n_group 4 equal groups; use a divisor of 9' n_routed_experts 9
bad_field 'n_group is 0' n_group 0
bad_field 'topk_group 5 is more than the n_group 4' topk_group 5
bad_field 'num_experts_per_tok is 9; it must be between 1 and 8' num_experts_per_tok 9
bad_field 'num_experts_per_tok 5 is more than the 4 experts in topk_group 2 groups of 2; raise topk_group' num_experts_per_tok 5
bad_field "n_routed_experts $((1 << 18)) in 2 layers" n_routed_experts $((1 << 18))
bad_field 'qk_rope_head_dim is 3; rotary positions turn pairs' qk_rope_head_dim 3
bad_field 'rope_theta is 0' rope_theta 0
bad_field 'hidden_act is "relu"; only "silu"' hidden_act '"relu"'
bad_field 'attention_bias is true' attention_bias true
bad_field 'max_position_embeddings is 0' max_position_embeddings 0
added 'rope_scaling is 3, but an object' '"rope_scaling": 3'
added 'rope_scaling.type is "warp"; known are' '"rope_scaling": {"type": "warp"}'
added 'rope_scaling.factor is -2' '"rope_scaling": {"type": "linear", "factor": -2}'
added 'rope_scaling.factor is 1e+300' '"rope_scaling": {"type": "linear", "factor": 1e300}'
added 'low_freq_factor is missing' '"rope_scaling": {"type": "llama3", "factor": 2, "original_max_position_embeddings": 8}'
added 'both given and differ' '"rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"rope_type": "default"}'
added 'not one of its choices; did you mean attention?' '"minke": {"atention": "gqa"}'
added 'weight_block_size must be two equal numbers' '"quantization_config": {"quant_method": "fp8", "weight_block_size": [1, 2]}'
added 'quantization_config is "gptq"' '"quantization_config": {"quant_method": "gptq"}'
# Valid by itself, but not the sizes of the tensors: nothing may be allocated for them.
bad_field '[41, 16], but by the config.json of that folder it must be [vocab_size, hidden_size] = [41, 32]' hidden_size 32
bad_field 'it must be [vocab_size, hidden_size] = [41, 262144]' hidden_size $((1 << 18))
bad_field 'it must be [vocab_size, hidden_size] = [16777216, 16]' vocab_size $((1 << 24))
bad_field 'it must be [kv_lora_rank + qk_rope_head_dim, hidden_size] = [10, 16]; correct the field' kv_lora_rank 6
bad_field 'it must be [intermediate_size, hidden_size] = [1048576, 16]' intermediate_size $((1 << 20))
bad_field 'tensor model.layers.2.' num_hidden_layers 4096
bad_field 'tensor model.layers.1.' num_hidden_layers 1
bad_field 'n_routed_experts' n_routed_experts 16
echo "config.json: $refusals"; refusals=0

# --- model.safetensors.index.json
bad_index() { fresh; mv m/model.safetensors m/model-1.safetensors; printf '%s' "$2" >m/model.safetensors.index.json; refused_model "$1"; }
map() { bad_index "$1" "{\"weight_map\": {$2}}"; }
fresh; mv m/model.safetensors m/model-1.safetensors
echo '{"weight_map": {"model.norm.weight": "model-1.safetensors"}}' >m/model.safetensors.index.json
$inspect >/dev/null || fail "a good index must pass"
for text in '' '{"weight_map": ' 'x' "$(printf '\xff')"; do bad_index 'index.json: not valid JSON' "$text"; done
for text in '{}' '[]' '3' '{"weight_map": {}}' '{"weight_map": 3}'; do
  bad_index 'weight_map names no file' "$text"
done
bad_index 'weight_map is a list' '{"weight_map": ["model-1.safetensors"]}'
bad_index 'nested deeper' "$(printf '[%.0s' {1..100000})"
for file in ../../etc/passwd /etc/passwd ../good/model.safetensors x/model-1.safetensors '' .. config.json '\u0000.txt'; do
  map 'it must be a .safetensors file in the same folder' "\"model.norm.weight\": \"$file\""
done
map 'not the name of a file' '"model.norm.weight": {"file": "model-1.safetensors"}'
map 'not the name of a file' '"model.norm.weight": 1'
map 'the shard model-2.safetensors is missing' '"model.norm.weight": "model-2.safetensors"'
map 'twice' '"model.norm.weight": "model-1.safetensors", "model.norm.weight": "model-1.safetensors"'
map 'it is in none of the files' '"model.form.weight": "model-1.safetensors"'
map 'more than 4096 files' "$(printf '"t%d": "f%d.safetensors",' $(seq 1 5000 | sed p))\"x\": \"y.safetensors\""
two_shards='"model.norm.weight": "model-1.safetensors", "model.form.weight": "model-2.safetensors"'
fresh; mv m/model.safetensors m/model-1.safetensors; echo "{\"weight_map\": {$two_shards}}" >m/model.safetensors.index.json
cp m/model-1.safetensors m/model-2.safetensors; refused_model 'is also in'
other='{"model.form.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
{ little_endian ${#other}; printf '%s' "$other"; } >m/model-2.safetensors
echo '{"weight_map": {"model.norm.weight": "model-2.safetensors", "model.form.weight": "model-2.safetensors", "lm_head.weight": "model-1.safetensors"}}' >m/model.safetensors.index.json
refused_model 'but it is in m/model-1.safetensors'
head -c 20 m/model-1.safetensors >m/model-2.safetensors; refused_model 'm/model-2.safetensors'
rm m/model-2.safetensors; mkdir m/model-2.safetensors; refused_model 'is a folder'
rmdir m/model-2.safetensors; ln -s model-2.safetensors m/model-2.safetensors; refused_model 'model-2.safetensors'
rm m/model.safetensors.index.json; mkdir m/model.safetensors.index.json; refused_model 'is a folder'
echo "index: $refusals"; refusals=0

# --- tokenizer.json
good_tokenizer='{"added_tokens": [{"id": 4, "content": "<s>", "special": true}],
 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "a+"}, "behavior": "Isolated"},
  {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
 "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": ["a b"]}}'
encode="$minke tokenizer encode -t m abba"
bad_tokenizer() { fresh; rm m/tokenizer_config.json; printf '%s' "$2" >m/tokenizer.json; for verb in "$encode" "$generate"; do refused "$1" $verb; done; }
edit() {  # EXPECTED FROM TO
  [ "${good_tokenizer/"$2"/}" != "$good_tokenizer" ] || fail "no $2"
  bad_tokenizer "$1" "${good_tokenizer/"$2"/"$3"}"
}
fresh; rm m/tokenizer_config.json; echo "$good_tokenizer" >m/tokenizer.json
[ "$($encode)" = '0 1 1 0' ] || fail "the good tokenizer must pass: $($encode)"
fresh; rm m/tokenizer.json; for verb in "$encode" "$generate"; do refused 'm/tokenizer.json' $verb; done
for text in '' 'x' "${good_tokenizer%?}" "$(printf '{"\xff": 1}')"; do bad_tokenizer 'm/tokenizer.json: not valid JSON' "$text"; done
for text in '[]' '3' '"x"'; do bad_tokenizer 'top level' "$text"; done
bad_tokenizer 'nested deeper' "$(printf '{"a":%.0s' {1..50000})"
edit 'id 99999999999 is outside' '"c": 3' '"c": 99999999999'
edit 'id 2147483647 is outside' '"c": 3' '"c": 2147483647'
edit 'id -1 is outside' '"c": 3' '"c": -1'
edit 'must be an integer' '"c": 3' '"c": 1.5'
edit 'must be an integer' '"c": 3' '"c": {"c": 3}'
edit 'both have id 2' '"c": 3' '"c": 2'
edit 'appears twice' '"c": 3' '"a": 5'
edit 'model.vocab: is missing' '{"a": 0, "b": 1, "ab": 2, "c": 3}' '{}'
edit '"x" is not in model.vocab' '["a b"]' '["a x"]'
edit '"abc" is not in model.vocab' '["a b"]' '["ab c"]'
edit 'is not two tokens' '["a b"]' '["a b c"]'
edit 'is not two tokens' '["a b"]' '["ab"]'
edit 'more than two parts' '["a b"]' '[["a", "b", "c"]]'
edit 'fewer than two parts' '["a b"]' '[["a"]]'
edit 'must be "left right"' '["a b"]' '[3]'
edit '"WordPiece"' '"BPE"' '"WordPiece"'
edit 'model: must be an object' '"model"' '"modell"'
edit '"Metaspace" is not supported; known are' '"ByteLevel"' '"Metaspace"'
edit 'pre_tokenizer: is missing' '"pre_tokenizer"' '"pre_tokeniser"'
edit 'must be a list' '"pretokenizers"' '"pretokenizer"'
edit 'a "(" without its ")"' '"a+"' '"(a+"'
edit 'the regex is too large' '"a+"' '"((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000}"'
edit '\C is not supported' '"a+"' '"\\C"'
edit 'at most 65536 are accepted' '"a+"' "\"$(head -c 70000 /dev/zero | tr '\0' a)\""
edit 'behavior: "Shuffled" is unknown' Isolated Shuffled
edit '.Regex: must be a string' '"a+"' 3
edit 'id 1 of "<s>" belongs to "b"' '"id": 4' '"id": 1'
edit 'added_tokens[0].id: 5000000000 is outside' '"id": 4' '"id": 5000000000'
edit 'added_tokens[0].id: must be an integer' '"id": 4' '"id": "4"'
edit 'content: must be a string' '"<s>"' '["<s>"]'
edit 'content: is empty' '"<s>"' '""'
edit 'added_tokens[1]' '"special": true}' '"special": true}, {"id": 5, "content": "<s>"}'
edit 'special: must be true or false' '"special": true' '"special": 1'
bad_tokenizer 'added_tokens: must be a list' "${good_tokenizer/'[{"id": 4, "content": "<s>", "special": true}]'/3}"
# A regex that would backtrack without end on this text is matched in time that grows with the text's length.
for regex in '(a+)+(?=c)' '(a|aa)*[cd]'; do
  fresh; rm m/tokenizer_config.json; echo "${good_tokenizer/'"a+"'/"\"$regex\""}" >m/tokenizer.json
  (ulimit -t $seconds; $minke tokenizer encode -t m "$(printf 'a%.0s' {1..40})") >../out.txt || fail "$regex: exit code $?"
  [ "$(wc -w <../out.txt)" = 40 ] || fail "$regex: $(cat ../out.txt)"
done
# In a look-ahead nothing is remembered, so there it is given up.
encode="$minke tokenizer encode -t m $(printf 'a%.0s' {1..40})"
generate="$minke generate -m m -n 2 -p $(printf 'a%.0s' {1..40})"
edit 'the regex takes too long on this text' '"a+"' '"(?=(?:a|a)*b)"'
fresh; echo '{"bos_token": "<none>"}' >m/tokenizer_config.json
for verb in "$encode" "$generate"; do refused 'tokenizer_config.json: bos_token: "<none>" is none of the added tokens' $verb; done
echo '{"bos_token": 3}' >m/tokenizer_config.json; refused 'bos_token: must be a string' $encode
echo '{' >m/tokenizer_config.json; refused 'tokenizer_config.json: not valid JSON' $encode
echo "tokenizer.json: $refusals"
