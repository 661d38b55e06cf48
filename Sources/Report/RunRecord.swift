import Foundation
import MPI
import ParticleIO

/// What a run was and what it found: the content of `run.json`.
public struct RunRecord: Codable, Sendable, Equatable {
  /// A particle that took no part, and why.
  public struct LeftOut: Codable, Sendable, Hashable {
    /// The particle's number in the STAR file, counted from 1.
    public var particle: Int
    /// Why it took no part.
    public var reason: String

    /// A particle, counted from 1, and why it was left out.
    public init(particle: Int, reason: String) {
      self.particle = particle
      self.reason = reason
    }
  }

  /// One class-posterior pass.
  public struct Pass: Codable, Sendable, Hashable {
    /// The pass's number; the search among single images is pass 1.
    public var pass: Int
    /// How alike the classes of neighbours are, by the evidence of the pairs that the pass starts from.
    public var correlation: Double
    /// The neighbours' mean weight in a class, in all.
    public var weight: Double
    /// Share of the best neighbours that the pass before had as well.
    public var kept: Double

    /// What a pass did.
    public init(pass: Int, correlation: Double, weight: Double, kept: Double) {
      self.pass = pass
      self.correlation = correlation
      self.weight = weight
      self.kept = kept
    }
  }

  /// What checkpoints have cost a run so far: files and bytes of all ranks, and seconds of the rank that they
  /// took the longest.
  public struct Saving: Codable, Sendable, Hashable {
    /// Files written, by all ranks.
    public var files: Int
    /// Bytes written, by all ranks.
    public var bytes: Int
    /// Seconds of the rank that took the longest.
    public var seconds: Double

    /// What it has cost so far.
    public init(files: Int, bytes: Int, seconds: Double) {
      self.files = files
      self.bytes = bytes
      self.seconds = seconds
    }

    /// A line for people; `total` is the time of the whole run in seconds.
    public func text(ofSeconds total: Double) -> String {
      let share = total > 0 ? seconds / total : 0
      return
        "Checkpoints: \(Format.count(files)) files, "
        + "\(Format.count(Int((Double(bytes) / 1_048_576).rounded()))) MiB, "
        + "\(Format.duration(seconds)) of the time (\(Format.percent(share)))"
    }
  }

  /// The program and its arguments as given, without quoting.
  public var command: [String]
  /// The folder that the program was started in.
  public var workingDirectory: String
  /// Versions of the program and its libraries.
  public var versions: SoftwareVersions
  /// The host of each rank.
  public let hosts: [String]
  /// The number of ranks.
  public let ranks: Int
  /// Threads of each rank.
  public var threads: Int
  /// When the run began.
  public var start: Date
  /// Nil until the run has ended.
  public var end: Date?
  /// Wall time of the whole run but for its start and this record, in seconds; nil until it has ended.
  public var seconds: Double?
  /// Every option in force, by its name on the command line without dashes.
  public var options: [String: JSONValue]
  /// What the run was made of, for another run that is to be the same; nil where that is not asked.
  public var identity: [String: String]?
  /// The variance of the noise of a pixel, in squared units of the input, or, where images differ in scale, of the images
  /// once they have one.
  public var noiseVariance: Double?
  /// The band limit in cycles per pixel.
  public var bandLimit: Double?
  /// The particle's radius in pixels.
  public var radius: Double?
  /// Images that took part; nil where that is not known yet.
  public var imagesUsed: Int?
  /// The edge of the images in pixels.
  public var boxSize: Int?
  /// Defocus groups that there are.
  public var defocusGroups: Int?
  /// The particles that took no part.
  public var imagesLeftOut: [LeftOut]
  /// Images that the model of the clean images does not explain: they count less in it, or not at all.
  public var imagesUnexplained: Int?
  /// What was found in the images that their user should know, in sentences.
  public var findings: [String] = []
  /// The number of components kept at each angular frequency, from 0.
  public var covarianceRanks: [Int]
  /// How suspects were found, where the option leaves it open.
  public var search: String?
  /// The passes after the first.
  public var passes: [Pass] = []
  /// Nil where the run leaves no checkpoints.
  public var checkpoints: Saving?
  /// What each stage took.
  public var stages: [StageSummary]

  enum CodingKeys: String, CodingKey {
    case command
    case workingDirectory = "working_directory"
    case versions
    case hosts
    case ranks
    case threads
    case start
    case end
    case seconds
    case options
    case identity
    case noiseVariance = "noise_variance"
    case bandLimit = "band_limit"
    case radius
    case imagesUsed = "images_used"
    case boxSize = "box_size"
    case defocusGroups = "defocus_groups"
    case imagesLeftOut = "images_left_out"
    case imagesUnexplained = "images_unexplained"
    case findings
    case covarianceRanks = "covariance_ranks"
    case search
    case passes
    case checkpoints
    case stages
  }

  /// The record of a run that starts now, with what is known before it; collective. Throws `MPIError`.
  public static func begin(
    threads: Int, options: [String: JSONValue], on comm: Communicator
  ) throws -> RunRecord {
    RunRecord(
      command: CommandLine.arguments, workingDirectory: FileManager.default.currentDirectoryPath,
      versions: .current(), hosts: try hostNames(on: comm), threads: threads,
      // Whole seconds, as ISO 8601 writes them, so that a record reads back equal.
      start: Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down)),
      options: options)
  }

  /// The record of a run at its start, on one rank for each of `hosts`.
  public init(
    command: [String], workingDirectory: String, versions: SoftwareVersions, hosts: [String],
    threads: Int, start: Date, options: [String: JSONValue]
  ) {
    self.command = command
    self.workingDirectory = workingDirectory
    self.versions = versions
    self.hosts = hosts
    ranks = hosts.count
    self.threads = threads
    self.start = start
    self.options = options
    imagesLeftOut = []
    covarianceRanks = []
    stages = []
  }
}

extension RunRecord {
  /// Writes the record as JSON under a temporary name and renames it to `path`. Throws `OutputError`
  /// when it cannot be written.
  public func write(to path: String) throws {
    let file = try OutputFile(path: path)
    try file.append(String(decoding: try json(), as: UTF8.self))
    try file.finish()
  }

  /// Reads what `write` wrote; throws `InputError` when it is not a record.
  public static func read(from path: String) throws -> RunRecord {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw InputError(file: path, "no such file")
    }
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    do {
      return try decoder.decode(RunRecord.self, from: data)
    } catch {
      throw InputError(file: path, "not the record of a run: \(error)")
    }
  }

  /// The record as a JSON document with sorted keys and a newline at its end.
  func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    return try encoder.encode(self) + Data("\n".utf8)
  }
}

/// The hosts of all ranks in rank order, on every rank.
private func hostNames(on comm: Communicator) throws -> [String] {
  let joined = try comm.allgatherRagged(Array("\(Communicator.hostName)\n".utf8))
  return String(decoding: joined, as: UTF8.self).split(separator: "\n").map(String.init)
}
