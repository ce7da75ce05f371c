# Completion for envctl in bash. Source it, or install it as /usr/share/bash-completion/completions/envctl.

# The entries of a listing of the running gateway, by a field of its table. Silent where none can be asked.
_envctl_list() {
  envctl gateway "$1" 2>/dev/null | awk -v field="$2" 'NR > 1 && $field != "-" { print $field }'
}

_envctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} choices=
  case $before in
    -o|--output) choices="table json" ;;
    -p|--protocol) choices="ssh tcp ssh_tls https http" ;;
    -e|--env) choices=$(_envctl_list routes 1) ;;
    -s|--socket|--ca) COMPREPLY=($(compgen -f -- "$word")); return ;;
    *)
      case "${COMP_WORDS[*]:1:COMP_CWORD-1}" in
        "") choices="gateway config connect --help --version" ;;
        gateway) choices="status health routes route sessions kill reload drain settings set unset metrics --help" ;;
        config) choices="explain --help" ;;
        "gateway route") choices=$(_envctl_list routes 1) ;;
        "gateway kill"*) choices=$(_envctl_list sessions 1) ;;
        "gateway settings" | "gateway set" | "gateway unset" | "config explain") choices=$(_envctl_list settings 1) ;;
        connect*) choices="--gateway --ca --insecure --help" ;;
        "gateway sessions"*) choices="--env --protocol --limit --socket --output --help" ;;
        "gateway routes"*) choices="--after --limit --socket --output --help" ;;
        *) choices="--socket --output --help" ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$choices" -- "$word"))
}
complete -F _envctl envctl
