import Foundation
import ParticleIO
import TestSupport
import Testing

@testable import ClassAveraging

@Suite struct RunFolderTests {
  private let parent: TemporaryFolder
  private var path: String { parent.file("run") }

  init() throws { parent = try TemporaryFolder() }

  private var names: [String] { parent.names(in: "run") }

  /// Three images of which the particles 0, 2 and 3 of five are.
  private let originalIndex: [Int32] = [0, 2, 3]
  private var table: NeighbourTable {
    var table = NeighbourTable(count: 3, neighboursPerImage: 2)
    table.indices = [1, 2, 2, -1, 0, 1]
    table.affinities = [5, 4, 3, -.infinity, 2, 1]
    table.alignments = .init(
      [.pi, -.pi / 2, 0, 0, .pi / 4, .pi / 180], reflected: [0, 1, 1, 0, 0, 1])
    return table
  }
  private static let ofTable = [
    "affinity.npy", "neighbours.npy", "reflected.npy", "rotation.npy",
  ]

  private func makeFolder() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  private func error(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return "no error"
  }

  @Test("A folder is made with those above it")
  func folderIsMade() throws {
    let deep = path + "/a/b"
    let folder = try RunFolder(path: deep, overwrite: false)
    #expect(FileManager.default.fileExists(atPath: deep))
    #expect(folder.path == deep && folder.file("mean.mrc") == deep + "/mean.mrc")
    // Once more: it is there and empty.
    _ = try RunFolder(path: deep, overwrite: false)
  }

  @Test("Any file of a run is in the way, unless it may be overwritten")
  func runIsKept() throws {
    for name in RunFolder.fileNames {
      try makeFolder()
      try parent.write("old", to: "run/\(name)")
      let found = #expect(throws: RunFolderError.self) {
        _ = try RunFolder(path: path, overwrite: false)
      }
      #expect(found == .holdsRun(folder: path, file: name))
      _ = try RunFolder(path: path, overwrite: true)
      // Nothing is lost yet.
      #expect(try parent.text("run/\(name)") == "old")
      try FileManager.default.removeItem(atPath: path)
    }
    // Other files are not.
    try makeFolder()
    try parent.write("mine", to: "run/notes.txt")
    _ = try RunFolder(path: path, overwrite: false)
    #expect(names == ["notes.txt"])
  }

  @Test("A file where the folder should be is an error", arguments: [false, true])
  func fileInTheWay(overwrite: Bool) throws {
    try parent.write("", to: "run")
    for path in [path, path + "/below"] {
      let message = error { _ = try RunFolder(path: path, overwrite: overwrite) }
      #expect(message.contains("\(path): cannot be made a folder: "), "\(message)")
    }
  }

  @Test("Files have temporary names until the end, the record's comes last")
  func namesAppearTogether() throws {
    let folder = try RunFolder(path: path, overwrite: false)
    try folder.write(table, originalIndex: originalIndex, count: 5)
    #expect(names.count == 4)
    for (name, final) in zip(names, Self.ofTable) { #expect(name.hasPrefix(final + ".part-")) }
    var atRecord: [String] = []
    try folder.finish {
      atRecord = names
      try parent.write("{}", to: "run/run.json")
    }
    #expect(atRecord == Self.ofTable)
    #expect(names == (Self.ofTable + ["run.json"]).sorted())
    #expect(Set(names).isSubset(of: RunFolder.fileNames) && RunFolder.fileNames.last == "run.json")
  }

  @Test("Lists are of the particles in the file, also of those that were left out")
  func tableOfParticles() throws {
    let folder = try RunFolder(path: path, overwrite: false)
    var table = table
    table.probabilities = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    table.regressors = (0..<18).map { Float($0) }
    try folder.write(table, originalIndex: originalIndex, count: 5)
    try folder.finish {}
    func read<T: NPYElement>(_ name: String, _ type: T.Type) throws -> [T] {
      let (values, shape) = try NPY.read(type, from: folder.file(name))
      #expect(shape.prefix(2) == [5, 2])
      return values
    }
    #expect(
      try read("neighbours.npy", Int32.self) == [2, 3, -1, -1, 3, -1, 0, 2, -1, -1])
    #expect(try read("reflected.npy", UInt8.self) == [0, 1, 0, 0, 1, 0, 0, 1, 0, 0])
    let degrees = try read("rotation.npy", Float.self)
    for (found, expected) in zip(degrees, [180, -90, 0, 0, 0, 0, 45, 1, 0, 0] as [Float]) {
      #expect(abs(found - expected) < 1e-4)
    }
    /// Rows of the particles that take part; the others are NaN.
    func rows(_ values: [Float], width: Int) -> [[Float]?] {
      (0..<5).map { particle in
        let row = values[particle * width..<(particle + 1) * width]
        return row.allSatisfy(\.isNaN) ? nil : Array(row)
      }
    }
    let affinities = try rows(read("affinity.npy", Float.self), width: 2)
    #expect(affinities == [[5, 4], nil, [3, -.infinity], [2, 1], nil])
    let probabilities = try rows(read("probability.npy", Float.self), width: 2)
    #expect(probabilities == [[0.9, 0.8], nil, [0.7, 0.6], [0.5, 0.4], nil])
    let features = try read("pair-features.npy", Float.self)
    #expect(features.count == 30)
    #expect(
      rows(features, width: 6)
        == [Array(0..<6), nil, Array(6..<12), Array(12..<18), nil].map { $0?.map { Float($0) } })
    #expect(try NPY.read(Float.self, from: folder.file("pair-features.npy")).shape == [5, 2, 3])
  }

  @Test("Nothing is left of a run that does not come to its end")
  func dropped() throws {
    func begin() throws {
      let folder = try RunFolder(path: path, overwrite: false)
      try folder.write(table, originalIndex: originalIndex, count: 5)
    }
    try begin()
    #expect(names == [])
    // Nor of one in the place of another, which stays.
    for name in ["neighbours.npy", "run.json"] { try parent.write("old", to: "run/\(name)") }
    func beginAgain() throws {
      let folder = try RunFolder(path: path, overwrite: true)
      try folder.write(table, originalIndex: originalIndex, count: 5)
    }
    try beginAgain()
    #expect(names == ["neighbours.npy", "run.json"])
    #expect(try parent.text("run/neighbours.npy") == "old")
  }

  @Test("A new run leaves nothing of the old one, and only of that")
  func overwritten() throws {
    try makeFolder()
    for name in RunFolder.fileNames + ["notes.txt", "averages.mrcs.bak"] {
      try parent.write("old", to: "run/\(name)")
    }
    let folder = try RunFolder(path: path, overwrite: true)
    try folder.write(table, originalIndex: originalIndex, count: 5)
    try folder.finish {
      #expect(!names.contains("run.json"))
      try parent.write("new", to: "run/run.json")
    }
    #expect(
      names == (Self.ofTable + ["averages.mrcs.bak", "notes.txt", "run.json"]).sorted())
    #expect(try parent.text("run/run.json") == "new" && parent.text("run/notes.txt") == "old")
    for name in Self.ofTable { #expect(try parent.data("run/\(name)").first == 0x93) }
  }

  private struct Full: Error {}

  @Test("Where the record cannot be written nothing is left")
  func recordFails() throws {
    try makeFolder()
    for name in ["mean.mrc", "run.json", "notes.txt"] { try parent.write("old", to: "run/\(name)") }
    let folder = try RunFolder(path: path, overwrite: true)
    try folder.write(table, originalIndex: originalIndex, count: 5)
    #expect(throws: Full.self) {
      try folder.finish {
        try parent.write("half", to: "run/run.json")
        throw Full()
      }
    }
    #expect(names == ["notes.txt"])
  }

  @Test("Where a file cannot be given its name nothing is left")
  func nameFails() throws {
    func run() throws {
      let folder = try RunFolder(path: path, overwrite: false)
      try folder.write(table, originalIndex: originalIndex, count: 5)
      // No file takes the place of a folder. Another one has its name already by then.
      try FileManager.default.createDirectory(
        atPath: folder.file("affinity.npy"), withIntermediateDirectories: false)
      let message = error { try folder.finish { Issue.record("the record was written") } }
      #expect(message.contains("affinity.npy: cannot be renamed: "), "\(message)")
    }
    try run()
    #expect(names == ["affinity.npy"])
  }
}
