main "$@" </dev/null
