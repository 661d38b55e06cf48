/// Options of `average` that are refused, for `DamagedSet`, and what the message says.
enum OptionMistakes {
  static let all: [([String], String)] = [
    (["--neighbours=-1"], "--neighbours is -1; at least 1"),
    (["--neighbours=0"], "--neighbours is 0; at least 1"),
    (["--neighbours", "many"], "'many' is invalid for '--neighbours"),
    (["--averages=-1"], "--averages is -1"),
    (["--threads=0"], "--threads is 0; at least 1"),
    (["--defocus-groups=0"], "--defocus-groups is 0; at least 1"),
    (["--noise-variance=-2"], "--noise-variance is -2"),
    (["--noise-variance", "nan"], "--noise-variance is nan"),
    // Pixels of 10 A, a box of 160 A.
    (["--band-limit", "19"], "--band-limit is 19.0 A; at least two pixels of 10.0 A"),
    (["--band-limit", "nan"], "--band-limit is nan"),
    (["--band-limit", "5000"], "leave no basis function"),
    (
      ["--radius", "81"],
      "--radius is 81.0 A; from two pixels (20.0 A) to half the box (80.0 A)"
    ),
    (["--radius", "19"], "--radius is 19.0 A"), (["--radius=-3"], "--radius is -3.0 A"),
    (["--radius", "nan"], "--radius is nan"),
    (["--affinity", "best"], "'best' is invalid for '--affinity"),
    (["--search-budget", "nan"], "--search-budget is nan"),
    (["--search-budget=-1"], "--search-budget is -1.0"),
    (["--passes=0"], "--passes is 0; at least 1"),
    (["--checkpoint-minutes=-1"], "--checkpoint-minutes is -1.0; a number from 0"),
    (["--checkpoint-minutes", "inf"], "--checkpoint-minutes is inf; a number from 0"),
    (["--max-hours=-0.5"], "--max-hours is -0.5; a number from 0"),
    (["--max-hours", "nan"], "--max-hours is nan; a number from 0"),
    (
      ["--neighbours", "auto", "--confidence=-0.1"],
      "--confidence is -0.1; a probability from 0 to 1"
    ),
    (
      ["--neighbours", "auto", "--confidence", "1.01"],
      "--confidence is 1.01; a probability from 0 to 1"
    ),
    (["--landmarks=0"], "--landmarks is 0; at least 1"),
    (["--search", "landmarks", "--landmarks=-3"], "--landmarks is -3; at least 1"),
    (
      ["--search", "landmarks", "--neighbours", "5", "--landmarks", "5"],
      "--landmarks is 5; more than the 5 neighbours are needed"
    ),
    (["--search", "all"], "'all' is invalid for '--search"),
    (["--no-such-option"], "Unknown option '--no-such-option'"),
    (["more.star"], "Unexpected argument 'more.star'"),
    (
      ["--search", "vdm", "--neighbours", "6", "--vdm-neighbours", "5"],
      "--vdm-neighbours is 5, fewer than the 6 neighbours"
    ),
    (["--search", "vdm", "--vdm-graph", "vdm"], "'vdm' is invalid for '--vdm-graph"),
    (["--search", "vdm", "--vdm-eigenvectors=0"], "--vdm-eigenvectors is 0"),
    (["--search", "vdm", "--vdm-time=-1"], "--vdm-time is -1"),
    (["--search", "vdm", "--vdm-frequencies=0"], "--vdm-frequencies is 0"),
    // Nothing is left above so much noise.
    (["--noise-variance", "1e6"], "no signal to compare images by"),
    // What does not go together.
    (["--search", "rir", "--passes", "2"], "--passes is 2"),
    (["--affinity", "mahalanobis", "--passes", "3"], "--passes is 3"),
    (["--passes", "0"], "at least 1"),
    (["--search", "all-pairs", "--affinity", "none"], "--affinity none"),
    (["--search", "landmarks", "--affinity", "none"], "--affinity none"),
    (["--search", "landmarks", "--landmarks", "3"], "--landmarks is 3"),
    (["--neighbours", "auto", "--search", "rir"], "--neighbours auto"),
    (["--neighbours", "auto", "--affinity", "mahalanobis"], "--neighbours auto"),
    (["--neighbours", "auto", "--search", "vdm"], "--neighbours auto"),
    (["--neighbours", "auto", "--probabilities", "none"], "--probabilities is none"),
    (["--probabilities", "simulation", "--search", "rir"], "--probabilities is simulation"),
    (["--probabilities", "formula", "--search-budget", "0"], "--probabilities formula"),
    (["--probabilities", "formula", "--search", "landmarks"], "--probabilities formula"),
    (["--neighbours", "auto", "--confidence", "1.5"], "--confidence is 1.5"),
    (["--neighbours", "auto", "--confidence", "nan"], "--confidence is nan"),
    (["--confidence", "0.5"], "--confidence 0.5 goes with --neighbours auto"),
  ]
}
