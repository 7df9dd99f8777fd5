"""The programs: flags in, work directories, exit status out."""
