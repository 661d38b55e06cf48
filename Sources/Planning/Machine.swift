import ClassAveraging
import Foundation
import ParticleIO

/// How fast a machine is: the constants of the cost model, as `Calibration` measures them.
///
/// All but the last two are processor seconds of one core for one unit of work; the units are explained in
/// `CostModel`.
public struct Machine: Codable, Sendable, Equatable {
  /// The host that was measured, or what the constants are.
  public var name: String
  /// Reading a particle's line of the STAR file.
  public var particle: Double
  /// Looking at one pixel of an image for the first time: a background fit, with medians.
  public var surveyPixel: Double
  /// One operation of the polar transform and the sums over angles and rings.
  public var analysisOperation: Double
  /// One product of two coefficients of an image, added to a sum.
  public var momentProduct: Double
  /// One step of the defocus groups' matrices, the covariance and the posteriors, done on every rank.
  public var modelStep: Double
  /// One operation of a pair, images compared.
  public var pairOperation: Double
  /// One operation of a pair, classes compared: without the groups' changes and with fuller lists.
  public var classPairOperation: Double
  /// One operation of a pair of an image and a member of its class: fetched, added, found again, scored.
  public var memberOperation: Double
  /// One candidate that a search keeps.
  public var candidate: Double
  /// One operation of a pair that is scored exactly.
  public var scoredOperation: Double
  /// One candidate that is sent to its pair's rank, sorted, made one with its like, and entered into two lists.
  public var collectedCandidate: Double
  /// One operation of a class's statistics and their solution.
  public var classOperation: Double
  /// One component of a member of a class whose probability is found.
  public var probabilityOperation: Double
  /// One operation of a single-precision matrix product.
  public var productOperation: Double
  /// Making a pixel of an eigenimage, on every rank.
  public var eigenimagePixel: Double
  /// One byte that rank 0 writes.
  public var writtenByte: Double
  /// One byte that the disk takes.
  public var storedByte: Double
  /// Seconds until a short message has come.
  public var latency: Double
  /// Bytes a second from one rank to another while all ranks send.
  public var bandwidth: Double

  /// Of one core of a 2.6 GHz server with 512-bit vectors, messages within a node.
  public static let builtIn = Machine(
    name: "built-in constants (a 2.6 GHz server core with 512-bit vectors)", particle: 5.6e-7,
    surveyPixel: 1.8e-8, analysisOperation: 5e-11, momentProduct: 2.5e-9, modelStep: 1e-9,
    pairOperation: 1 / SearchCost.operationRate, classPairOperation: 1 / SearchCost.operationRate,
    memberOperation: 1e-9, candidate: 4.5e-7, scoredOperation: 3.1e-10,
    collectedCandidate: 4.5e-7, classOperation: 2.5e-9, probabilityOperation: 1e-8,
    productOperation: 1.1e-11, eigenimagePixel: 1.2e-8, writtenByte: 8.6e-10, storedByte: 4e-10,
    latency: 2e-6, bandwidth: 2e9)

  /// Where the constants are looked for and a calibration leaves them, unless told otherwise:
  /// `kindred/machine.json` in $XDG_CONFIG_HOME or ~/.config.
  public static var defaultPath: String {
    let environment = ProcessInfo.processInfo.environment
    let base =
      environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
      ?? (environment["HOME"] ?? NSHomeDirectory()) + "/.config"
    return base + "/kindred/machine.json"
  }

  /// Reads constants.
  /// - Throws: `MachineFileError` where the file is missing or something else; `InputError` where a constant is not a
  ///   positive number.
  public static func read(from path: String) throws -> Machine {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw MachineFileError.missing(file: path)
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      let machine = try decoder.decode(Machine.self, from: data)
      if let (name, value) = machine.constants.first(where: { !($0.value > 0 && $0.value.isFinite) }
      ) {
        throw InputError(file: path, "\(name) is \(value); a positive number is needed")
      }
      return machine
    } catch let error as DecodingError {
      throw MachineFileError.notConstants(file: path, error)
    }
  }

  /// Writes the constants under a temporary name, then under theirs; makes the folder where it is missing.
  /// - Throws: `OutputError`.
  public func write(to path: String) throws {
    let folder = (path as NSString).deletingLastPathComponent
    if !folder.isEmpty {
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw OutputError(file: folder, "cannot be made a folder: \(error.localizedDescription)")
      }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let file = try OutputFile(path: path)
    try file.append(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n")
    try file.finish()
  }

  /// The constants by name.
  var constants: KeyValuePairs<String, Double> {
    [
      "particle": particle, "survey_pixel": surveyPixel, "analysis_operation": analysisOperation,
      "moment_product": momentProduct, "model_step": modelStep, "pair_operation": pairOperation,
      "class_pair_operation": classPairOperation,
      "member_operation": memberOperation, "candidate": candidate,
      "scored_operation": scoredOperation, "collected_candidate": collectedCandidate,
      "class_operation": classOperation, "probability_operation": probabilityOperation,
      "product_operation": productOperation,
      "eigenimage_pixel": eigenimagePixel, "written_byte": writtenByte, "stored_byte": storedByte,
      "latency": latency,
      "bandwidth": bandwidth,
    ]
  }
}

/// Why a machine's constants cannot be read.
public enum MachineFileError: Error {
  /// There is no such file.
  case missing(file: String)
  /// The file holds something else than a calibration leaves.
  case notConstants(file: String, DecodingError)
}
