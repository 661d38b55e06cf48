import Foundation
import Report
import Testing

@testable import ClassAveraging
@testable import ImageModel
@testable import kindred

/// What `average` declares, against its record and the README, without a run of the program.
@Suite struct AverageArgumentsTests {
  /// An argument as the parser describes it.
  private struct Declared: Decodable {
    struct Name: Decodable { let name: String }
    let kind: String
    let shouldDisplay: Bool
    let preferredName: Name?
    let valueName: String?
    let defaultValue: String?
    var name: String { preferredName?.name ?? valueName ?? "" }
  }

  private let declared: [Declared]

  init() throws {
    struct Command: Decodable { let arguments: [Declared] }
    struct Document: Decodable { let command: Command }
    declared = try JSONDecoder().decode(
      Document.self, from: Data(AverageCommand._dumpHelp().utf8)
    ).command.arguments.filter { $0.name != "help" }
  }

  private func record(_ arguments: [String] = []) throws -> [String: JSONValue] {
    try AverageCommand.parse(["set.star", "--output", "run"] + arguments).record
  }

  // MARK: The record

  @Test("What is not given is recorded as its default, or as null")
  func defaults() throws {
    #expect(
      try record() == [
        "particles": "set.star", "output": "run", "neighbours": 10, "max_shift": nil,
        "confidence": nil,
        "probabilities": nil, "suspects": nil, "search": "auto", "search_budget": 0.01,
        "landmarks": 2500, "affinity": "bayes", "passes": nil, "rounds": nil, "slices": 2500,
        "averages": nil, "seed": 1, "pair_features": false, "overwrite": false, "resume": false,
        "checkpoint_minutes": 5.0, "max_hours": nil, "vdm-graph": "rir", "vdm-neighbours": 20,
        "vdm-eigenvectors": 100, "vdm-frequencies": 1, "vdm-time": 2, "defocus_groups": 20,
        "noise": "radial", "noise_variance": nil, "radius": nil, "band_limit": nil,
        "no_ctf": false, "keep_contrast": false, "strict": false, "threads": 1,
      ])
  }

  @Test("Every argument of the parser is recorded, and nothing else")
  func names() throws {
    let recorded = try record().keys.map { $0.replacing("_", with: "-") }
    #expect(recorded.sorted() == declared.map(\.name).sorted())
  }

  @Test("What is given is recorded as it is said on the command line")
  func values() throws {
    let record = try record([
      "--neighbours", "auto", "--confidence", "0.5", "--probabilities", "none", "--suspects", "70",
      "--search", "all-pairs", "--search-budget", "2", "--affinity", "none", "--passes", "3",
      "--averages", "7", "--seed", "18446744073709551615", "--overwrite", "--max-hours", "1.5",
      "--vdm-graph", "all-pairs", "--radius", "40", "--no-ctf", "--threads", "2",
    ])
    let expected: [String: JSONValue] = [
      "neighbours": "auto", "confidence": 0.5, "probabilities": "none", "suspects": 70,
      "search": "all-pairs", "search_budget": 2.0, "affinity": "none", "passes": 3, "averages": 7,
      "seed": .integer(.max), "overwrite": true, "max_hours": 1.5, "vdm-graph": "all-pairs",
      "radius": 40.0, "no_ctf": true, "threads": 2,
    ]
    for (name, value) in expected { #expect(record[name] == value, "\(name)") }
    // JSON has no infinity.
    #expect(try self.record(["--max-hours", "inf"])["max_hours"] == .some(.null))
  }

  @Test("What denoise is told is recorded")
  func denoise() throws {
    let record = try DenoiseCommand.parse(["set.star", "--output", "run", "--strict"]).record
    #expect(
      record == [
        "particles": "set.star", "output": "run", "overwrite": false, "defocus_groups": 20,
        "noise": "radial", "noise_variance": nil, "radius": nil, "band_limit": nil,
        "no_ctf": false, "keep_contrast": false, "strict": true, "threads": 1,
      ])
  }

  // MARK: Mistakes

  /// Nothing of these needs a file to be found.
  @Test(
    "Mistakes are found without any file",
    arguments: [
      ("--neighbours=0", "--neighbours is 0; at least 1 is needed"),
      ("--averages=-1", "--averages is -1"),
      ("--threads=0", "--threads is 0; at least 1 is needed"),
      ("--confidence=0.3", "--confidence 0.3 goes with --neighbours auto only"),
      ("--checkpoint-minutes=-1", "--checkpoint-minutes is -1.0; a number from 0 is needed"),
      ("--max-hours=nan", "--max-hours is nan; a number from 0 is needed"),
    ])
  func mistakes(argument: String, message: String) throws {
    let command = try AverageCommand.parse(["set.star", "--output", "run", argument])
    let error = #expect(throws: (any Error).self) { try command.validateOptions() }
    #expect(error.map(ErrorText.text) == message)
    try AverageCommand.parse(["set.star", "--output", "run"]).validateOptions()
  }

  // MARK: The README

  /// The rows of the README's table: the options of each, and the default of them all.
  private func table() throws -> [(names: [String], value: String)] {
    let readme = try String(contentsOfFile: Project.path + "/README.md", encoding: .utf8)
    return readme.components(separatedBy: "### Options of `average`")[1]
      .components(separatedBy: "###")[0].split(separator: "\n").filter { $0.hasPrefix("| `--") }
      .map { row in
        let cells = row.split(separator: "|", omittingEmptySubsequences: false)
        return (
          cells[1].matches(of: /`--([a-z-]+)`/).map { String($0.1) },
          cells[2].trimmingCharacters(in: CharacterSet(charactersIn: " `"))
        )
      }
  }

  @Test("The README has a row for each option that the help shows, and no other")
  func rows() throws {
    let shown = declared.filter { $0.kind != "positional" && $0.shouldDisplay }.map(\.name)
    #expect(try table().flatMap(\.names).sorted() == shown.sorted())
  }

  /// What the README says of options that the parser leaves open: what the library does then.
  private static let leftOpen: [String: String] = {
    let (options, model) = (AverageOptions(), ModelOptions())
    var words = ["output": "", "max-hours": "none", "confidence": "\(options.confidence)"]
    words["suspects"] = "\(options.suspectCount) or \(options.candidateCount)"
    words["rounds"] = "\(AveragePipeline.rounds) or 0"
    if options.probabilities == nil { words["probabilities"] = "" }
    if options.passes == nil { words["passes"] = "by themselves" }
    if model.largestShift == nil { words["max-shift"] = "a tenth of the box" }
    if options.averages == nil { words["averages"] = "all" }
    if model.noiseVariance == nil { words["noise-variance"] = "measured" }
    if model.radius == nil && model.bandLimit == nil {
      (words["radius"], words["band-limit"]) = ("from the data", "from the data")
    }
    return words
  }()

  @Test("Each option's default in the README is the one in force")
  func readmeDefaults() throws {
    let declared = Dictionary(uniqueKeysWithValues: declared.map { ($0.name, $0) })
    for (names, value) in try table() {
      for option in names.compactMap({ declared[$0] }) {
        let expected =
          option.defaultValue ?? (option.kind == "flag" ? "" : Self.leftOpen[option.name])
        let isEqual =
          expected == value
          || (Double(value) != nil && Double(value) == expected.flatMap(Double.init))
        #expect(isEqual, "\(option.name): \(value), not \(expected ?? "known")")
      }
    }
  }

  @Test("The help's defaults of what is left open are those of the library")
  func help() {
    let help = AverageCommand.helpMessage(columns: 1000)
    let options = AverageOptions()
    for text in [
      "default: \(options.confidence).",
      "default: \(options.suspectCount) (rir) or \(options.candidateCount) (landmarks)",
      "default: \(AveragePipeline.rounds) after more than one pass",
    ] { #expect(help.contains(text), "\(text)") }
  }
}
