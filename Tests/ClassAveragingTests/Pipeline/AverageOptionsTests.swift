import Testing

@testable import ClassAveraging
@testable import Execution

@Suite struct AverageOptionsTests {
  /// What is changed of the options, and what is said of 100 images on 4 ranks; empty where it is accepted.
  private struct Rule: CustomTestStringConvertible {
    let name: String
    let change: (inout AverageOptions) -> Void
    let message: String
    var testDescription: String { name }

    init(
      _ name: String, _ message: String = "", _ change: @escaping (inout AverageOptions) -> Void
    ) {
      (self.name, self.message, self.change) = (name, message, change)
    }
  }

  private static func message(images: Int = 100, ranks: Int = 4, _ options: AverageOptions)
    -> String
  {
    do { try options.validate(images: images, ranks: ranks) } catch {
      return error is OptionError ? "\(error)" : "another error: \(error)"
    }
    return ""
  }

  private nonisolated(unsafe) static let rules = [
    Rule("defaults") { _ in },
    Rule("0 neighbours", "--neighbours is 0; at least 1 is needed") { $0.neighbours = 0 },
    Rule("1 neighbour") { $0.neighbours = 1 },
    Rule(
      "100 neighbours", "--neighbours is 100, but each of 100 images has only 99 others"
    ) { $0.neighbours = 100 },
    Rule("99 neighbours") { $0.neighbours = 99 },

    Rule("confidence -0.01", "--confidence is -0.01; a probability from 0 to 1 is needed") {
      $0.confidence = -0.01
    },
    Rule("confidence 1.01", "--confidence is 1.01; a probability from 0 to 1 is needed") {
      $0.confidence = 1.01
    },
    Rule("confidence NaN", "--confidence is nan; a probability from 0 to 1 is needed") {
      $0.confidence = .nan
    },
    Rule("confidence 0") { $0.confidence = 0 },
    Rule("confidence 1") { $0.confidence = 1 },

    Rule(
      "9 suspects of 10", "--suspects is 9, fewer than the 10 neighbours to choose from them"
    ) { $0.suspects = 9 },
    Rule("10 suspects of 10") { $0.suspects = 10 },

    Rule("0 passes", "--passes is 0; at least 1 is needed") { $0.passes = 0 },
    Rule("1 pass") { $0.passes = 1 },
    Rule("2 passes") { $0.passes = 2 },
    Rule(
      "2 passes without the Bayes factor",
      "--passes is 2, but classes are compared by the Bayes factor: use --search all-pairs or landmarks "
        + "with --affinity bayes, or one pass"
    ) { ($0.passes, $0.affinity) = (2, nil) },
    Rule(
      "3 passes of invariants",
      "--passes is 3, but classes are compared by the Bayes factor: use --search all-pairs or landmarks "
        + "with --affinity bayes, or one pass"
    ) { ($0.passes, $0.search) = (3, .rir) },
    Rule("1 pass of invariants") { ($0.passes, $0.search) = (1, .rir) },

    Rule("-1 rounds", "--rounds is -1; 0 or more are needed") { $0.rounds = -1 },
    Rule("0 rounds") { $0.rounds = 0 },
    Rule("0 rounds of invariants") { ($0.rounds, $0.search) = (0, .rir) },
    Rule("1 round") { $0.rounds = 1 },
    Rule(
      "1 round after one pass",
      "--rounds is 1, but rounds follow passes among classes: use --search all-pairs or landmarks with "
        + "--affinity bayes and more than one pass, or 0 rounds"
    ) { ($0.rounds, $0.passes) = (1, 1) },
    Rule("1 round after two passes") { ($0.rounds, $0.passes) = (1, 2) },
    Rule(
      "2 rounds without the Bayes factor",
      "--rounds is 2, but rounds follow passes among classes: use --search all-pairs or landmarks with "
        + "--affinity bayes and more than one pass, or 0 rounds"
    ) { ($0.rounds, $0.affinity) = (2, nil) },
    Rule(
      "2 rounds of invariants",
      "--rounds is 2, but rounds follow passes among classes: use --search all-pairs or landmarks with "
        + "--affinity bayes and more than one pass, or 0 rounds"
    ) { ($0.rounds, $0.search) = (2, .rir) },

    Rule("-1 slices", "--slices is -1; 0 or more are needed") { $0.slices = -1 },
    Rule("0 slices") { $0.slices = 0 },

    Rule("0 landmarks", "--landmarks is 0; at least 1 is needed") { $0.landmarks = 0 },
    Rule("1 landmark, not searched for") { ($0.landmarks, $0.search) = (1, .allPairs) },
    Rule(
      "10 landmarks for 10 neighbours",
      "--landmarks is 10; more than the 10 neighbours are needed"
    ) { ($0.landmarks, $0.search) = (10, .landmarks) },
    Rule("11 landmarks for 10 neighbours") { ($0.landmarks, $0.search) = (11, .landmarks) },

    Rule(
      "budget -0.001", "--search-budget is -0.001; a number of core hours from 0 is needed"
    ) { $0.searchBudget = -0.001 },
    Rule("budget NaN", "--search-budget is nan; a number of core hours from 0 is needed") {
      $0.searchBudget = .nan
    },
    Rule("infinite budget", "--search-budget is inf; a number of core hours from 0 is needed") {
      $0.searchBudget = .infinity
    },
    Rule("budget 0") { $0.searchBudget = 0 },

    Rule(
      "all pairs without affinity",
      "--affinity none keeps the order of --search rir; all pairs are ordered by an affinity"
    ) { ($0.search, $0.affinity) = (.allPairs, nil) },
    Rule(
      "landmarks without affinity",
      "--affinity none keeps the order of --search rir; all pairs are ordered by an affinity"
    ) { ($0.search, $0.affinity) = (.landmarks, nil) },
    Rule("invariants without affinity") { ($0.search, $0.affinity) = (.rir, nil) },
    Rule("any search without affinity") { $0.affinity = nil },

    Rule("-1 averages", "--averages is -1") { $0.averages = -1 },
    Rule("0 averages") { $0.averages = 0 },

    Rule(
      "automatic length of invariants",
      "--neighbours auto goes by probabilities, which only neighbours by the Bayes factor have: use --search "
        + "all-pairs or landmarks with --affinity bayes, or a number of neighbours"
    ) { ($0.isLengthAutomatic, $0.search) = (true, .rir) },
    Rule(
      "automatic length without the Bayes factor",
      "--neighbours auto goes by probabilities, which only neighbours by the Bayes factor have: use --search "
        + "all-pairs or landmarks with --affinity bayes, or a number of neighbours"
    ) { ($0.isLengthAutomatic, $0.affinity) = (true, nil) },
    Rule(
      "automatic length without probabilities",
      "--neighbours auto goes by probabilities, but --probabilities is none"
    ) { ($0.isLengthAutomatic, $0.probabilities) = (true, ProbabilitySource.none) },
    Rule("automatic length") { $0.isLengthAutomatic = true },
    Rule("automatic length of landmarks") {
      ($0.isLengthAutomatic, $0.search, $0.probabilities) = (true, .landmarks, .simulation)
    },
    Rule(
      "probabilities of invariants",
      "--probabilities is simulation, but only neighbours by the Bayes factor have them: use --search "
        + "all-pairs or landmarks with --affinity bayes"
    ) { ($0.probabilities, $0.search) = (.simulation, .rir) },
    Rule(
      "a formula without the Bayes factor",
      "--probabilities is formula, but only neighbours by the Bayes factor have them: use --search "
        + "all-pairs or landmarks with --affinity bayes"
    ) { ($0.probabilities, $0.affinity) = (.formula, nil) },
    Rule("no probabilities of invariants") {
      ($0.probabilities, $0.search) = (ProbabilitySource.none, .rir)
    },
    Rule("a formula for all pairs") { ($0.probabilities, $0.search) = (.formula, .allPairs) },

    Rule("a diffusion map") { $0.search = .vdm },
    Rule(
      "9 edges for 10 neighbours",
      "--vdm-neighbours is 9, fewer than the 10 neighbours of --neighbours"
    ) { ($0.search, $0.vdm.neighbours) = (.vdm, 9) },
    Rule("10 edges for 10 neighbours") { ($0.search, $0.vdm.neighbours) = (.vdm, 10) },
    Rule("100 edges", "--vdm-neighbours is 100, but each of 100 images has only 99 others") {
      ($0.search, $0.vdm.neighbours, $0.suspects) = (.vdm, 100, 100)
    },
    Rule("99 edges") { ($0.search, $0.vdm.neighbours) = (.vdm, 99) },
    Rule("0 eigenvectors", "--vdm-eigenvectors is 0; at least 1 is needed") {
      ($0.search, $0.vdm.eigenvectors) = (.vdm, 0)
    },
    Rule("1 eigenvector") { ($0.search, $0.vdm.eigenvectors) = (.vdm, 1) },
    Rule("0 frequencies", "--vdm-frequencies is 0; at least 1 is needed") {
      ($0.search, $0.vdm.frequencies) = (.vdm, 0)
    },
    Rule("1 frequency") { ($0.search, $0.vdm.frequencies) = (.vdm, 1) },
    Rule("time -1", "--vdm-time is -1; at least 0 is needed") {
      ($0.search, $0.vdm.time) = (.vdm, -1)
    },
    Rule("time 0") { ($0.search, $0.vdm.time) = (.vdm, 0) },
    // Only a diffusion map has them.
    Rule("0 eigenvectors of all pairs") { ($0.search, $0.vdm.eigenvectors) = (.allPairs, 0) },
    // The graph's own search goes by the same rules, with its own number of neighbours.
    Rule(
      "19 suspects for 20 edges",
      "--suspects is 19, fewer than the 20 neighbours to choose from them"
    ) { ($0.search, $0.suspects) = (.vdm, 19) },
    Rule("20 suspects for 20 edges") { ($0.search, $0.suspects) = (.vdm, 20) },
    Rule(
      "a graph of all pairs without affinity",
      "--affinity none keeps the order of --search rir; all pairs are ordered by an affinity"
    ) { ($0.search, $0.vdm.graph, $0.affinity) = (.vdm, .allPairs, nil) },
    Rule("a graph of invariants without affinity") { ($0.search, $0.affinity) = (.vdm, nil) },
  ]

  @Test("Each rule has its message, and its boundary is accepted", arguments: rules.indices)
  func rule(at: Int) {
    let rule = Self.rules[at]
    var options = AverageOptions()
    rule.change(&options)
    #expect(Self.message(options) == rule.message, "\(rule.name)")
  }

  @Test("There is an image for each rank, and another one for each neighbour")
  func images() {
    var options = AverageOptions()
    #expect(
      Self.message(images: 19, ranks: 20, options)
        == "20 ranks for 19 images: start at most one rank for each image")
    #expect(Self.message(images: 20, ranks: 20, options) == "")
    #expect(
      Self.message(images: 10, ranks: 1, options)
        == "--neighbours is 10, but each of 10 images has only 9 others")
    #expect(Self.message(images: 11, ranks: 1, options) == "")
    options.neighbours = 1
    #expect(Self.message(images: 2, ranks: 2, options) == "")
  }

  @Test("A formula for landmarks is refused once the search is known")
  func formula() throws {
    var options = AverageOptions()
    options.probabilities = .formula
    try options.validateProbabilities(of: .allPairs)
    let error = #expect(throws: OptionError.self) {
      try options.validateProbabilities(of: .landmarks)
    }
    #expect(
      "\(error!)"
        == "--probabilities formula was fitted to all pairs, but the search is landmarks: use simulation, "
        + "none, or --search all-pairs")
    options.probabilities = .simulation
    try options.validateProbabilities(of: .landmarks)
  }

  @Test("Suspects and candidates are at least as many as the neighbours ask for")
  func counts() {
    var options = AverageOptions()
    #expect(options.suspectCount == 50 && options.candidateCount == 100)
    options.neighbours = 60
    #expect(options.suspectCount == 60 && options.candidateCount == 120)
    options.suspects = 70
    #expect(options.suspectCount == 70 && options.candidateCount == 70)
  }
}
