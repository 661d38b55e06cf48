import Foundation
import MPI
import TestSupport
import Testing

@testable import ParticleIO

/// A stack that all ranks write. Collective: every rank runs the same tests in the same order.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct SharedWritingRanks {
  private let width = 7
  private let height = 5
  private let sections = 23

  private var pixels: [Float] {
    randomNormals(width * height * sections, seed: 5).map { Float(3 + $0) }
  }

  /// A folder that all ranks see; it lives on rank 0.
  private func sharedFolder(_ world: Communicator) throws -> (TemporaryFolder?, path: String) {
    let folder = world.isRoot ? try TemporaryFolder() : nil
    return (folder, try world.broadcast(folder?.path ?? ""))
  }

  private func writer(_ path: String, on world: Communicator) throws -> MRCWriter {
    try MRCWriter.shared(
      path: path, width: width, height: height, sections: sections, pixelSize: 1.5,
      content: .imageStack, on: world)
  }

  private func write(_ sections: Range<Int>, _ writer: MRCWriter) throws {
    let size = width * height
    try pixels[sections.lowerBound * size..<sections.upperBound * size].withUnsafeBufferPointer {
      try writer.write($0, section: sections.lowerBound)
    }
  }

  /// The file of one process, byte for byte, whichever rank wrote which section: dealt one by one, and in slices of
  /// which the last rank has none.
  @Test(arguments: [true, false])
  func isTheFileOfOneProcess(dealt: Bool) throws {
    let world = try testWorld()
    let (folder, path) = try sharedFolder(world)
    let shared = try writer(path + "/shared.mrcs", on: world)
    if dealt {
      for section in (0..<sections).reversed() where section % world.size == world.rank {
        try write(section..<section + 1, shared)
      }
    } else {
      let own = raggedSlice(of: sections, rank: world.rank, ranks: world.size)
      if !own.isEmpty { try write(own, shared) }
    }
    try shared.collect(on: world)
    if let folder {
      #expect(try folder.names.count == 1 && folder.names[0].hasPrefix("shared.mrcs.part-"))
      try shared.finish()
      let alone = try MRCWriter(
        path: path + "/alone.mrcs", width: width, height: height, sections: sections,
        pixelSize: 1.5, content: .imageStack)
      try alone.append(pixels)
      try alone.finish()
      #expect(try folder.names == ["alone.mrcs", "shared.mrcs"])
      #expect(try folder.data("alone.mrcs") == folder.data("shared.mrcs"))
    }
    try world.barrier()
  }

  /// A section that no rank wrote, or that the last rank wrote again.
  @Test(arguments: [(1..<23, 0), (0..<22, 22), (0..<23, nil)] as [(Range<Int>, Int?)])
  func everySectionOnce(first: Range<Int>, missing: Int?) throws {
    let world = try testWorld()
    let (folder, path) = try sharedFolder(world)
    do {
      let shared = try writer(path + "/shared.mrcs", on: world)
      for section in first where section % world.size == world.rank {
        try write(section..<section + 1, shared)
      }
      if missing == nil, world.rank == world.size - 1 { try write(9..<10, shared) }
      try shared.collect(on: world)
      if world.isRoot {
        let error = #expect(throws: OutputError.self) { try shared.finish() }
        let section = missing ?? 10
        #expect("\(error!)".contains("section \(section) of 23 was not written once"))
      }
    }
    if let folder { #expect(try folder.names == []) }
    try world.barrier()
  }

  /// What another rank is told to open is named as the file that the user knows.
  @Test func namesTheFileThatCannotBeOpened() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.mrcs")
    let error = #expect(throws: OutputError.self) {
      _ = try OutputFile(joining: path + ".part-x", of: path)
    }
    #expect("\(error!)".contains("\(path): cannot be opened by a second rank: No such file"))
  }

  /// All ranks learn that the last cannot open the first one's file, here for being somewhere else; nothing is left
  /// behind, and no rank waits. A rank that is alone is somewhere else as well.
  @Test func aFolderThatOneRankDoesNotSee() throws {
    let world = try testWorld()
    let (folder, path) = try sharedFolder(world)
    let elsewhere = try TemporaryFolder()
    let manager = FileManager.default
    let before = manager.currentDirectoryPath
    defer { #expect(manager.changeCurrentDirectoryPath(before)) }
    if world.isRoot {
      try manager.createDirectory(atPath: path + "/in", withIntermediateDirectories: true)
    }
    let isElsewhere = world.rank == world.size - 1
    #expect(manager.changeCurrentDirectoryPath(isElsewhere ? elsewhere.path : path))
    #expect(throws: ReportedError.self) { _ = try writer("in/shared.mrcs", on: world) }
    #expect(try elsewhere.names == [])
    if let folder { #expect(try folder.names == ["in"] && folder.names(in: "in") == []) }
    try world.barrier()
  }
}
