# Cases of a machine with two webcams. `== NAME` begins a case; what follows it is looked at by ci/src/camera/cases.rs.

# Where sh's clock has whole seconds, this one has hundredths.
now() { cut -d' ' -f1 /proc/uptime; }
stamped() { while IFS= read -r line; do echo "[$(now)] $line"; done; }
# The numbers of a row of the first painted frame, 128x128 in 4:2:0, below what vivid writes into its picture: Y, U and V. Before
# them are 49 bytes of headers.
row() {
  for part in $((49 + 100 * 128)):128 $((49 + 128 * 128 + 50 * 64)):64 $((49 + 128 * 128 + 64 * 64 + 50 * 64)):64; do
    dd if="$1" bs=1 skip=${part%:*} count=${part#*:} 2>/dev/null | od -An -v -tu1 | tr -s '\n ' ' '
    echo
  done
}
wait_for() { for _ in $(seq 600); do [ -s "$1" ] && return; sleep 0.1; done; echo "nothing came"; }

for format in yuyv uyvy nv12 i420 rgb bgr; do
  echo "== colours $format"
  glimpse camera --source v4l2:0 --format $format --size 640x480 --frames 2 --out $format.y4m
  row $format.y4m
done

echo "== nearest"
glimpse camera --source v4l2:0 --size 1000x700 --fps 7 --format mjpeg --frames 1 --out nearest.jsonl

echo "== two"
glimpse camera --source v4l2:0 --source v4l2:/dev/video1 --size 320x180 --duration 6 --out two.jsonl
grep -o '"source":"[^"]*"' two.jsonl | sort | uniq -c

echo "== info"
glimpse info

echo "== null"
glimpse camera --source v4l2:/dev/null --frames 1 --out null.jsonl
echo "status $?"

echo "== missing"
glimpse camera --source v4l2:7 --duration 1 --out missing.jsonl

echo "== busy and stopped"
glimpse camera --source v4l2:0 --size 320x180 --out busy.jsonl &
first=$!
wait_for busy.jsonl.part
echo "[$(now)] a second one"
glimpse camera --source v4l2:0 --size 320x180 --duration 3 --out second.jsonl 2>&1 | stamped
echo "[$(now)] stopped"
kill $first
wait $first
echo "[$(now)] status $?"

echo "== unplugged"
glimpse camera --source v4l2:0 --size 320x180 --duration 20 --out unplugged.jsonl 2>&1 | stamped &
wait_for unplugged.jsonl.part
echo "[$(now)] unplugged"
v4l2-ctl -d /dev/video0 -c disconnect=1
wait
wc -l unplugged.jsonl

# A camera that is there and gives nothing, for a while.
echo "== stalled"
# there before tail looks for it
: >stalled
glimpse camera --source v4l2:0 --size 320x180 --out stalled.jsonl >>stalled 2>&1 &
film=$!
tail -f stalled | stamped &
wait_for stalled.jsonl.part
echo "[$(now)] stalled"
v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100
sleep 4
echo "[$(now)] again"
v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0
sleep 4
v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100
sleep 0.5
echo "[$(now)] stopped"
kill $film
wait $film
echo "[$(now)] status $?"
