#!/bin/sh
# busybox httpd runs this for a directory without an index.html; each of ours has an `answer`.
case $REQUEST_URI in
  /headers/*) exec /bin/sh ../headers/answer ;;
  /events/*) exec /bin/sh ../events/answer ;;
esac
printf 'Status: 404\r\nContent-Type: text/plain\r\n\r\nno such page\n'
