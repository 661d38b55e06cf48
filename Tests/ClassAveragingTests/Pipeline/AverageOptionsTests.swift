import Testing

@testable import ClassAveraging
@testable import Execution

@Suite struct AverageOptionsTests {
  /// What is changed of the options, and the error of 100 images on 4 ranks; nil where it is accepted.
  private struct Rule: CustomTestStringConvertible, Sendable {
    let name: String
    let change: @Sendable (inout AverageOptions) -> Void
    let error: OptionError?
    var testDescription: String { name }

    init(
      _ name: String, _ error: OptionError? = nil,
      _ change: @escaping @Sendable (inout AverageOptions) -> Void
    ) {
      (self.name, self.error, self.change) = (name, error, change)
    }
  }

  private static func error(images: Int = 100, ranks: Int = 4, _ options: AverageOptions)
    -> OptionError?
  {
    do { try options.validate(images: images, ranks: ranks) } catch {
      guard let error = error as? OptionError else {
        Issue.record(error)
        return nil
      }
      return error
    }
    return nil
  }

  private static let rules = [
    Rule("defaults") { _ in },
    Rule("0 neighbours", .outOfRange(.neighbours, found: "0", needed: .atLeast(1))) {
      $0.neighbours = 0
    },
    Rule("1 neighbour") { $0.neighbours = 1 },
    Rule(
      "100 neighbours", .tooManyNeighbours(.neighbours, found: 100, images: 100)
    ) { $0.neighbours = 100 },
    Rule("99 neighbours") { $0.neighbours = 99 },

    Rule("confidence -0.01", .outOfRange(.confidence, found: "-0.01", needed: .zeroToOne)) {
      $0.confidence = -0.01
    },
    Rule("confidence 1.01", .outOfRange(.confidence, found: "1.01", needed: .zeroToOne)) {
      $0.confidence = 1.01
    },
    Rule("confidence NaN", .outOfRange(.confidence, found: "nan", needed: .zeroToOne)) {
      $0.confidence = .nan
    },
    Rule("confidence 0") { $0.confidence = 0 },
    Rule("confidence 1") { $0.confidence = 1 },

    Rule(
      "9 suspects of 10", .tooFewForNeighbours(.suspects, found: 9, neighbours: 10)
    ) { $0.suspects = 9 },
    Rule("10 suspects of 10") { $0.suspects = 10 },

    Rule("0 passes", .outOfRange(.passes, found: "0", needed: .atLeast(1))) { $0.passes = 0 },
    Rule("1 pass") { $0.passes = 1 },
    Rule("2 passes") { $0.passes = 2 },
    Rule(
      "2 passes without the Bayes factor",
      .needsBayesFactor(.passes, found: "2")
    ) { ($0.passes, $0.affinity) = (2, nil) },
    Rule(
      "3 passes of invariants",
      .needsBayesFactor(.passes, found: "3")
    ) { ($0.passes, $0.search) = (3, .rir) },
    Rule("1 pass of invariants") { ($0.passes, $0.search) = (1, .rir) },

    Rule("-1 rounds", .outOfRange(.rounds, found: "-1", needed: .atLeast(0))) { $0.rounds = -1 },
    Rule("0 rounds") { $0.rounds = 0 },
    Rule("0 rounds of invariants") { ($0.rounds, $0.search) = (0, .rir) },
    Rule("1 round") { $0.rounds = 1 },
    Rule(
      "1 round after one pass",
      .needsBayesFactor(.rounds, found: "1")
    ) { ($0.rounds, $0.passes) = (1, 1) },
    Rule("1 round after two passes") { ($0.rounds, $0.passes) = (1, 2) },
    Rule(
      "2 rounds without the Bayes factor",
      .needsBayesFactor(.rounds, found: "2")
    ) { ($0.rounds, $0.affinity) = (2, nil) },
    Rule(
      "2 rounds of invariants",
      .needsBayesFactor(.rounds, found: "2")
    ) { ($0.rounds, $0.search) = (2, .rir) },

    Rule("-1 slices", .outOfRange(.slices, found: "-1", needed: .atLeast(0))) { $0.slices = -1 },
    Rule("0 slices") { $0.slices = 0 },

    Rule("0 landmarks", .outOfRange(.landmarks, found: "0", needed: .atLeast(1))) {
      $0.landmarks = 0
    },
    Rule("1 landmark, not searched for") { ($0.landmarks, $0.search) = (1, .allPairs) },
    Rule(
      "10 landmarks for 10 neighbours",
      .tooFewForNeighbours(.landmarks, found: 10, neighbours: 10)
    ) { ($0.landmarks, $0.search) = (10, .landmarks) },
    Rule("11 landmarks for 10 neighbours") { ($0.landmarks, $0.search) = (11, .landmarks) },

    Rule(
      "budget -0.001", .outOfRange(.searchBudget, found: "-0.001", needed: .fromZero)
    ) { $0.searchBudget = -0.001 },
    Rule("budget NaN", .outOfRange(.searchBudget, found: "nan", needed: .fromZero)) {
      $0.searchBudget = .nan
    },
    Rule("infinite budget", .outOfRange(.searchBudget, found: "inf", needed: .fromZero)) {
      $0.searchBudget = .infinity
    },
    Rule("budget 0") { $0.searchBudget = 0 },

    Rule(
      "all pairs without affinity",
      .conflict(.affinity, .search)
    ) { ($0.search, $0.affinity) = (.allPairs, nil) },
    Rule(
      "landmarks without affinity",
      .conflict(.affinity, .search)
    ) { ($0.search, $0.affinity) = (.landmarks, nil) },
    Rule("invariants without affinity") { ($0.search, $0.affinity) = (.rir, nil) },
    Rule("any search without affinity") { $0.affinity = nil },

    Rule("-1 averages", .outOfRange(.averages, found: "-1", needed: .atLeast(0))) {
      $0.averages = -1
    },
    Rule("0 averages") { $0.averages = 0 },

    Rule(
      "automatic length of invariants",
      .needsBayesFactor(.neighbours, found: "auto")
    ) { ($0.isLengthAutomatic, $0.search) = (true, .rir) },
    Rule(
      "automatic length without the Bayes factor",
      .needsBayesFactor(.neighbours, found: "auto")
    ) { ($0.isLengthAutomatic, $0.affinity) = (true, nil) },
    Rule(
      "automatic length without probabilities",
      .conflict(.neighbours, .probabilities)
    ) { ($0.isLengthAutomatic, $0.probabilities) = (true, ProbabilitySource.none) },
    Rule("automatic length") { $0.isLengthAutomatic = true },
    Rule("automatic length of landmarks") {
      ($0.isLengthAutomatic, $0.search, $0.probabilities) = (true, .landmarks, .simulation)
    },
    Rule(
      "probabilities of invariants",
      .needsBayesFactor(.probabilities, found: "simulation")
    ) { ($0.probabilities, $0.search) = (.simulation, .rir) },
    Rule(
      "a formula without the Bayes factor",
      .needsBayesFactor(.probabilities, found: "formula")
    ) { ($0.probabilities, $0.affinity) = (.formula, nil) },
    Rule("no probabilities of invariants") {
      ($0.probabilities, $0.search) = (ProbabilitySource.none, .rir)
    },
    Rule("a formula for all pairs") { ($0.probabilities, $0.search) = (.formula, .allPairs) },

    Rule("a diffusion map") { $0.search = .vdm },
    Rule(
      "9 edges for 10 neighbours",
      .tooFewForNeighbours(.vdmNeighbours, found: 9, neighbours: 10)
    ) { ($0.search, $0.vdm.neighbours) = (.vdm, 9) },
    Rule("10 edges for 10 neighbours") { ($0.search, $0.vdm.neighbours) = (.vdm, 10) },
    Rule("100 edges", .tooManyNeighbours(.vdmNeighbours, found: 100, images: 100)) {
      ($0.search, $0.vdm.neighbours, $0.suspects) = (.vdm, 100, 100)
    },
    Rule("99 edges") { ($0.search, $0.vdm.neighbours) = (.vdm, 99) },
    Rule("0 eigenvectors", .outOfRange(.vdmEigenvectors, found: "0", needed: .atLeast(1))) {
      ($0.search, $0.vdm.eigenvectors) = (.vdm, 0)
    },
    Rule("1 eigenvector") { ($0.search, $0.vdm.eigenvectors) = (.vdm, 1) },
    Rule("0 frequencies", .outOfRange(.vdmFrequencies, found: "0", needed: .atLeast(1))) {
      ($0.search, $0.vdm.frequencies) = (.vdm, 0)
    },
    Rule("1 frequency") { ($0.search, $0.vdm.frequencies) = (.vdm, 1) },
    Rule("time -1", .outOfRange(.vdmTime, found: "-1", needed: .atLeast(0))) {
      ($0.search, $0.vdm.time) = (.vdm, -1)
    },
    Rule("time 0") { ($0.search, $0.vdm.time) = (.vdm, 0) },
    // Only a diffusion map has them.
    Rule("0 eigenvectors of all pairs") { ($0.search, $0.vdm.eigenvectors) = (.allPairs, 0) },
    // The graph's own search goes by the same rules, with its own number of neighbours.
    Rule(
      "19 suspects for 20 edges",
      .tooFewForNeighbours(.suspects, found: 19, neighbours: 20)
    ) { ($0.search, $0.suspects) = (.vdm, 19) },
    Rule("20 suspects for 20 edges") { ($0.search, $0.suspects) = (.vdm, 20) },
    Rule(
      "a graph of all pairs without affinity",
      .conflict(.affinity, .search)
    ) { ($0.search, $0.vdm.graph, $0.affinity) = (.vdm, .allPairs, nil) },
    Rule("a graph of invariants without affinity") { ($0.search, $0.affinity) = (.vdm, nil) },
  ]

  @Test("Each rule has its error, and its boundary is accepted", arguments: rules.indices)
  func rule(at: Int) {
    let rule = Self.rules[at]
    var options = AverageOptions()
    rule.change(&options)
    #expect(Self.error(options) == rule.error, "\(rule.name)")
  }

  @Test("What needs no images is found without any", arguments: rules.indices)
  func withoutImages(at: Int) {
    let rule = Self.rules[at]
    var options = AverageOptions()
    rule.change(&options)
    var found: OptionError?
    do { try options.validate() } catch { found = error as? OptionError }
    if case .tooManyNeighbours = rule.error {
      #expect(found == nil, "\(rule.name)")
    } else {
      #expect(found == rule.error, "\(rule.name)")
    }
  }

  @Test("There is an image for each rank, and another one for each neighbour")
  func images() {
    var options = AverageOptions()
    #expect(
      Self.error(images: 19, ranks: 20, options)
        == .tooManyRanks(20, images: 19))
    #expect(Self.error(images: 20, ranks: 20, options) == nil)
    #expect(
      Self.error(images: 10, ranks: 1, options)
        == .tooManyNeighbours(.neighbours, found: 10, images: 10))
    #expect(Self.error(images: 11, ranks: 1, options) == nil)
    options.neighbours = 1
    #expect(Self.error(images: 2, ranks: 2, options) == nil)
  }

  @Test("A formula for landmarks is refused as soon as the search is known")
  func formula() throws {
    var options = AverageOptions()
    options.probabilities = .formula
    try options.validateProbabilities(of: .allPairs)
    let error = #expect(throws: OptionError.self) {
      try options.validateProbabilities(of: .landmarks)
    }
    #expect(error == .conflict(.probabilities, .search))
    try options.validate()
    options.search = .landmarks
    #expect(throws: OptionError.conflict(.probabilities, .search)) { try options.validate() }
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
