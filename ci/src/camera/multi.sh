# Cases of a machine with a camera whose driver is multi-planar. `== NAME` begins a case.

echo "== refused"
glimpse camera --source v4l2:0 --frames 1 --out refused.jsonl 2>&1 | tee said
echo "== the line that it names"
options=$(sed -n "s/.*this works: \(.*\) (if .*/\1/p" said)
eval "glimpse camera $options --frames 2 --out works.jsonl"
wc -l works.jsonl
