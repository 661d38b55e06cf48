import Foundation
import FoundationXML
import ParticleIO
import TestSupport
import Testing

@testable import ImageModel
@testable import Planning
@testable import Report

@Suite struct ScalingTests {
  /// The record of a run of two stages.
  private func record(
    ranks: Int, images: Int = 1000, seconds: Double, search: String = "all-pairs",
    stages: [(name: String, seconds: Double, communication: Double, work: [Double])]
  ) -> RunRecord {
    var record = RunRecord(
      command: ["kindred"], workingDirectory: "/",
      versions: SoftwareVersions(
        kindred: "0", swift: "6", mpi: "m", openblas: nil, fftw: "f"),
      hosts: Array(repeating: "node", count: ranks), threads: 1,
      start: Date(timeIntervalSince1970: 0),
      options: ["search": "auto", "neighbours": 10, "output": .string("ranks-\(ranks)")])
    record.search = search
    record.imagesUsed = images
    record.boxSize = 65
    record.bandLimit = 0.2
    record.radius = 32
    record.covarianceRanks = [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    record.seconds = seconds
    record.stages = stages.map { stage in
      var summary = StageSummary(
        name: stage.name, meanSeconds: stage.seconds, maximumSeconds: stage.seconds, share: 0,
        imbalance: 0, communicationShare: stage.communication, peakBytes: 1)
      summary.rankProcessorSeconds = stage.work
      (summary.messages, summary.messageBytes) = (3 * ranks, 100 * ranks)
      return summary
    }
    return record
  }

  /// 100 s, 52 s and 30 s on 1, 2 and 4 ranks.
  private func strong(in folder: TemporaryFolder) throws {
    let runs = [
      record(
        ranks: 1, seconds: 100,
        stages: [("survey", 20, 0, [19]), ("all pairs", 78, 0, [77])]),
      record(
        ranks: 2, seconds: 52,
        stages: [("survey", 11, 0, [10, 9]), ("all pairs", 40, 0.05, [38, 37])]),
      record(
        ranks: 4, seconds: 30,
        stages: [("survey", 8, 0, [8, 5, 5, 5]), ("all pairs", 20, 0.1, [18, 18, 17, 19])]),
    ]
    for run in runs {
      let name = "ranks-000\(run.ranks)"
      try FileManager.default.createDirectory(
        atPath: folder.file(name), withIntermediateDirectories: true)
      try run.write(to: folder.file("\(name)/run.json"))
    }
    // Folders that are no runs.
    try FileManager.default.createDirectory(
      atPath: folder.file("sets/images-1000"), withIntermediateDirectories: true)
  }

  @Test func speedUpsAndEfficienciesOfRecords() throws {
    let folder = try TemporaryFolder()
    try strong(in: folder)
    let study = try ScalingStudy(collecting: folder.path)
    #expect(study.kind == .strong)
    #expect(study.runs.map(\.ranks) == [1, 2, 4])
    for (run, expected) in zip(study.runs, [1, 100.0 / 52, 100.0 / 30]) {
      #expect(abs(study.speedUp(run) - expected) < 1e-12)
      #expect(abs(study.efficiency(run) - expected / Double(run.ranks)) < 1e-12)
    }
    // 0.05 of 40 s in 51 s; 0.1 of 20 s in 28 s.
    #expect(abs(study.runs[1].communicationShare - 2.0 / 51) < 1e-12)
    #expect(abs(study.runs[2].communicationShare - 2.0 / 28) < 1e-12)
    // Rank 0 works 3 s longer in the survey, and less than the others' mean of 18 s in the other stage.
    #expect(abs(study.runs[2].rootSeconds - 3) < 1e-12)
    #expect(study.runs[2].processorSeconds == 95)
  }

  /// Two and three runs of a number of ranks: the middle one counts, of two the faster; and of two ways to share the
  /// same cores the one with the faster middle, though the other has the fastest run.
  @Test func repeatedRunsCountByTheirMedian() throws {
    func run(_ name: String, ranks: Int, threads: Int = 1, _ seconds: Double) -> ScalingStudy.Run {
      var record = record(ranks: ranks, seconds: seconds, stages: [("survey", seconds, 0, [1])])
      record.threads = threads
      return .init(folder: name, record: record)
    }
    let study = try ScalingStudy(
      [
        run("a", ranks: 1, 11), run("b", ranks: 1, 19), run("c", ranks: 1, 10),
        run("d", ranks: 2, 7), run("e", ranks: 2, 6),
        run("f", ranks: 4, 1), run("g", ranks: 4, 5), run("h", ranks: 4, 6),
        run("i", ranks: 2, threads: 2, 4), run("j", ranks: 2, threads: 2, 4.5),
      ], folder: "x")
    #expect(study.runs.map(\.folder) == ["a", "e", "i"])
    #expect(study.repeats.map(\.spread) == [10...19, 6...7, 4...4.5])
    #expect(study.base.seconds == 11 && abs(study.speedUp(study.runs[1]) - 11.0 / 6) < 1e-12)

    let report = ScalingReport(study, model: CostModel(machine: .builtIn))
    let csv = report.csv.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    #expect(Set(csv.map(\.count)).count == 1)
    let totals = csv.filter { $0[3] == "total" }.map { Array($0.suffix(3)) }
    #expect(totals == [["3", "10", "19"], ["2", "6", "7"], ["2", "4", "4.5"]])
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
    let runs = try #require(json["runs"] as? [[String: Any]])
    #expect(runs.map { $0["runs"] as? Int } == [3, 2, 2])
    #expect(runs.map { $0["least_seconds"] as? Double } == [10, 6, 4])
    #expect(runs.map { $0["largest_seconds"] as? Double } == [19, 7, 4.5])
    #expect(report.text.contains("Largest") && report.text.contains("19.0 s"))
  }

  /// One run on each number of ranks, then the next ones, each in a folder that `--collect` reads.
  @Test func repeatsAreInterleaved() {
    var experiment = ScalingExperiment(folder: "x", ranks: [1, 16], images: 100, growth: nil)
    #expect(experiment.runs.map(\.name) == ["ranks-0001", "ranks-0016"])
    experiment.repeats = 3
    #expect(
      experiment.runs.map(\.name) == [
        "ranks-0001", "ranks-0016", "ranks-0001-repeat-2", "ranks-0016-repeat-2",
        "ranks-0001-repeat-3", "ranks-0016-repeat-3",
      ])
    #expect(experiment.runs.map(\.ranks) == [1, 16, 1, 16, 1, 16])
  }

  @Test func weakScalingComparesTimes() throws {
    let runs = [(1, 1000, 10.0), (4, 2000, 12.5)].map { ranks, images, seconds in
      ScalingStudy.Run(
        folder: "r\(ranks)",
        record: record(ranks: ranks, images: images, seconds: seconds, stages: []))
    }
    let study = try ScalingStudy(runs, folder: "x")
    #expect(study.kind == .weak)
    #expect(study.efficiency(study.runs[1]) == 0.8 && study.speedUp(study.runs[1]) == 3.2)
    #expect(ScalingExperiment.Growth.pairs.images(1000, ranks: 4) == 2000)
    #expect(ScalingExperiment.Growth.images.images(1000, ranks: 4) == 4000)
  }

  @Test func filesHoldEveryRun() throws {
    let folder = try TemporaryFolder()
    try strong(in: folder)
    let report = ScalingReport(
      try ScalingStudy(collecting: folder.path), model: CostModel(machine: .builtIn))
    try report.write(to: folder.path)

    let csv = try folder.text("scaling.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    #expect(csv.count == 1 + 3 * 3 && Set(csv.map(\.count)).count == 1)
    let column = Dictionary(uniqueKeysWithValues: csv[0].enumerated().map { ($1, $0) })
    let total = try #require(csv.last { $0[column["stage"]!] == "total" })
    #expect(total[column["ranks"]!] == "4" && total[column["seconds"]!] == "30")
    #expect(total[column["speed_up"]!] == "3.33333" && total[column["messages"]!] == "24")
    #expect(total[column["message_bytes"]!] == "800")

    let json = try #require(
      try JSONSerialization.jsonObject(with: folder.data("scaling.json")) as? [String: Any])
    let runs = try #require(json["runs"] as? [[String: Any]])
    let efficiencies = runs.compactMap { $0["efficiency"] as? Double }
    let expected: [Double] = [1, 100 / 52.0 / 2, 100 / 30.0 / 4]
    #expect(efficiencies.count == 3)
    #expect(zip(efficiencies, expected).allSatisfy { abs($0 - $1) < 1e-12 })
    let line = try #require(json["model"] as? [[String: Any]])
    #expect(line.first?["seconds"] as? Double == 100 && line.first?["cores"] as? Int == 1)
    // Only so many ranks as there are images; else 4096.
    #expect(line.last?["cores"] as? Int == 512)
    #expect(report.text.contains("Strong scaling") && report.text.contains("3.33"))
    #expect(!report.text.contains("Largest"))
  }

  @Test func theModelsLineGoesTo4096Ranks() throws {
    let runs = [1, 2].map { ranks in
      ScalingStudy.Run(
        folder: "r\(ranks)",
        record: record(ranks: ranks, images: 10_000, seconds: 10 / Double(ranks), stages: []))
    }
    let report = ScalingReport(
      try ScalingStudy(runs, folder: "x"), model: CostModel(machine: .builtIn))
    #expect(report.line.map(\.cores) == (0...12).map { 1 << $0 })
    #expect(report.line[0].efficiency == 1)
    #expect(zip(report.line, report.line.dropFirst()).allSatisfy { $0.efficiency > $1.efficiency })
  }

  /// Every measured point is a circle in the picture, at its place.
  @Test func thePictureIsXMLWithAllPoints() throws {
    let folder = try TemporaryFolder()
    try strong(in: folder)
    let report = ScalingReport(
      try ScalingStudy(collecting: folder.path), model: CostModel(machine: .builtIn))
    let reader = ShapeReader()
    let parser = XMLParser(data: Data(ScalingFigure(report).svg.utf8))
    parser.delegate = reader
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    // Three speed-ups, efficiencies and shares of the whole run and of each of the two stages, and one
    // for each in the legend.
    #expect(reader.circles.count == 4 + 4 + 3 * 4)
    #expect(reader.titles.contains("measured: 4, 3.33333"))
    // The first panel's points: equal steps of log2 cores across, growing speed-up upwards.
    let panel = reader.circles.prefix(3)
    #expect(abs((panel[1].x - panel[0].x) - (panel[2].x - panel[1].x)) < 0.02)
    #expect(panel[0].y > panel[1].y && panel[1].y > panel[2].y)
    #expect(reader.texts.isSuperset(of: ["ideal", "model", "measured", "survey", "all pairs"]))
  }

  /// As many stages as are drawn, and the whole run: all told apart. The caption says what was run.
  @Test func everySeriesHasItsColour() throws {
    let names = (1...8).map { "stage \($0)" }
    let runs = [1, 2].map { ranks in
      ScalingStudy.Run(
        folder: "r\(ranks)",
        record: record(
          ranks: ranks, seconds: 10 / Double(ranks),
          stages: names.map { ($0, 1, 0.1, [Double](repeating: 1, count: ranks)) }))
    }
    let report = ScalingReport(
      try ScalingStudy(runs, folder: "x"), model: CostModel(machine: .builtIn))
    let reader = ShapeReader()
    let parser = XMLParser(data: Data(ScalingFigure(report).svg.utf8))
    parser.delegate = reader
    #expect(parser.parse())
    #expect(Set((names + ["whole run"]).compactMap { reader.colours[$0] }).count == 9)
    #expect(reader.texts.contains { $0.hasPrefix("1,000 images of 65 × 65 pixels.") })
    #expect(reader.texts.contains("It ends at 512 cores: a rank has one image at least."))
  }

  /// What a record tells of a job: its own passes, and those among the reference classes.
  @Test func passesOfAJobAreThoseOfItsRecord() throws {
    let stages = [
      "references/affinity", "references/pass 2", "reference classes", "pass 2", "pass 3",
    ]
    for (search, among) in [("landmarks", 2), ("all-pairs", 3)] {
      var run = record(
        ranks: 1, seconds: 10, search: search, stages: stages.map { ($0, 1, 0, [1]) })
      run.passes = [2, 3].map { .init(pass: $0, correlation: 0.9, weight: 1, kept: 1) }
      let job = try PlannedJob(run, file: "run.json")
      #expect(job.search.rawValue == search)
      #expect(job.passes == 3 && job.referencePasses == among)
    }
  }

  /// The rounds asked for, or those that a run makes by itself, if it made them.
  @Test func roundsOfAJobAreThoseOfItsRecord() throws {
    for (asked, names, expected) in [
      (2, ["pass 2", "co-assignment"], 2), (nil, ["pass 2", "co-assignment"], 2),
      (nil, ["pass 2", "calibration/co-assignment"], 0), (0, ["pass 2"], 0),
    ] {
      var run = record(ranks: 1, seconds: 10, stages: names.map { ($0, 1, 0, [1]) })
      run.options["rounds"] = JSONValue(asked)
      #expect(try PlannedJob(run, file: "run.json").rounds == expected)
    }
  }

  @Test func mistakesAreNamed() throws {
    let folder = try TemporaryFolder()
    #expect(throws: InputError.self) { try ScalingStudy(collecting: folder.file("none")) }
    #expect(throws: InputError.self) { try ScalingStudy(collecting: folder.path) }
    let one = record(ranks: 1, seconds: 10, stages: [])
    var other = record(ranks: 2, seconds: 6, stages: [])
    other.options["neighbours"] = 20
    let error = #expect(throws: InputError.self) {
      try ScalingStudy(
        [.init(folder: "a", record: one), .init(folder: "b", record: other)], folder: "runs")
    }
    #expect(error?.description.contains("runs/b/run.json: --neighbours differs") == true)
    // Two sizes on the same cores are two experiments; of two equal runs the faster counts.
    let larger = record(ranks: 1, images: 2000, seconds: 40, stages: [])
    #expect(throws: InputError.self) {
      try ScalingStudy(
        [.init(folder: "a", record: one), .init(folder: "b", record: larger)], folder: "runs")
    }
    let faster = record(ranks: 1, seconds: 9, stages: [])
    let study = try ScalingStudy(
      [.init(folder: "a", record: one), .init(folder: "b", record: faster)], folder: "runs")
    #expect(study.runs.map(\.seconds) == [9])
  }

  @Test func axesEndAtMarks() {
    let binary = ChartAxis("x", scale: .binary, holding: [3, 100])
    #expect(binary.range == 2...128 && binary.marks == [2, 4, 8, 16, 32, 64, 128])
    #expect(abs(binary.place(of: 16) - 0.5) < 1e-12)
    let linear = ChartAxis("y", scale: .linear, holding: [0.31, 0.97], isPercent: true)
    #expect(linear.range == 0...1 && linear.place(of: 0.25) == 0.25)
    #expect(linear.label(0.2) == "20 %")
  }
}

/// The shapes of a picture.
private final class ShapeReader: NSObject, XMLParserDelegate {
  var circles: [SIMD2<Double>] = []
  var titles: Set<String> = []
  var texts: Set<String> = []
  /// Of the circles, by their titles.
  var colours: [String: String] = [:]
  private var words = ""
  private var colour = ""

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    words = ""
    if name == "circle", let x = attributes["cx"], let y = attributes["cy"] {
      circles.append(SIMD2(Double(x)!, Double(y)!))
      colour = attributes["fill"] ?? ""
    }
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { words += string }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    if name == "title" {
      titles.insert(words)
      colours[words] = colour
    }
    if name == "text" { texts.insert(words) }
  }
}
