import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// The check that no arrow between the source's places runs back up.
  @Suite(.enabled(if: Command.canRun("python3"), "no python3")) struct ArrowsTests {
    /// What the check says of the source with some files changed, each from what it was.
    private func check(_ changes: [String: (String) -> String]) throws -> Command {
      let folder = try TemporaryFolder()
      let manager = FileManager.default
      for name in ["Package.swift", "Sources"] {
        try manager.copyItem(atPath: "\(Project.path)/\(name)", toPath: folder.file(name))
      }
      for (file, change) in changes {
        try manager.createDirectory(
          atPath: (folder.file(file) as NSString).deletingLastPathComponent,
          withIntermediateDirectories: true)
        let exists = manager.fileExists(atPath: folder.file(file))
        try folder.write(change(exists ? try folder.text(file) : ""), to: file)
      }
      return try Command.runProgram([
        "python3", "\(Project.path)/.ci/check-arrows", folder.path,
      ])
    }

    @Test func noneRunsBackUp() throws {
      let run = try check([:])
      #expect(run.status == 0 && run.output.contains("none runs back up"), "\(run.text)")
    }

    @Test(arguments: [
      // A type of a later folder, a function's name that only one file has, and a member by an extension.
      ("ImageModel/Basis/Planted.swift", "func planted(_ model: PosteriorModel) {}"),
      ("ClassAveraging/Pairs/Planted.swift", "let planted = ClassSize.comparedAtATime"),
      (
        "ClassAveraging/Classes/Planted.swift",
        "func planted(_ order: LocalityOrder) { _ = order.ofCalibration() }"
      ),
    ]) func aPlantedOneIsNamed(file: String, code: String) throws {
      let run = try check(["Sources/\(file)": { _ in code + "\n" }])
      #expect(
        run.status == 1 && run.output.contains("error: Sources/\(file): names "), "\(run.text)")
    }

    /// A declaration in a later folder, and a use of it in an earlier one.
    @Test(arguments: [
      ("extension Alignment { struct Planted {} }", "let used = Alignment.Planted()"),
      ("extension Alignment {\n  enum Planted { case a }\n}", "func used(_ value: Planted) {}"),
      ("extension Alignment { static let planted = 1 }", "let used = Alignment.planted"),
      (
        "extension Alignment {\n  package private(set) static var planted = 1\n}",
        "let used = Alignment.planted"
      ),
      (
        "extension Alignment {\n  nonisolated(unsafe) static var planted = 1\n}",
        "let used = Alignment.planted"
      ),
      (
        "extension Alignment {\n  package fileprivate(set) static var planted = 1\n}",
        "let used = Alignment.planted"
      ),
      (
        "extension Alignment {\n  package @MainActor func planted() {}\n}",
        "@MainActor func used(_ value: Alignment) { value.planted() }"
      ),
      (
        "extension Alignment {\n  #if os(Linux)\n    var planted: Int { 1 }\n  #endif\n}",
        "func used(_ value: Alignment) -> Int { value.planted }"
      ),
      ("#if os(Linux)\n  struct Planted {}\n#endif", "let used = Planted()"),
      (
        "#if os(Linux)\n  extension Int {\n    var planted: Int { 1 }\n  }\n#endif",
        "let used = 1.planted"
      ),
      ("@MainActor\npackage var planted = 1", "@MainActor func used() { planted += 1 }"),
      ("nonisolated(unsafe) var planted = 1", "let used = planted"),
      ("let (planted, alsoPlanted) = (1, 2)", "let used = planted"),
    ]) func isNamedHoweverItIsDeclared(later: String, earlier: String) throws {
      let file = "Sources/ClassAveraging/Pairs/Earlier.swift"
      let run = try check([
        "Sources/ClassAveraging/Search/Later.swift": { _ in later + "\n" },
        file: { _ in earlier + "\n" },
      ])
      #expect(
        run.status == 1 && run.output.lowercased().contains("\(file): names planted".lowercased()),
        "\(run.text)")
    }

    /// What is private, inside a function, or only said in a comment or a string, is nobody's.
    @Test func whatOthersCannotNameIsNoArrow() throws {
      let run = try check([
        "Sources/ClassAveraging/Search/Later.swift": { _ in
          """
          private extension Alignment { var planted: Int { 1 } }
          extension Alignment { private var planted: Int { 1 } }
          private struct Planted { static let planted = 1 }
          func unused() { struct Planted {}; let text = "}"; _ = (Planted(), text) }
          // struct Planted {
          /* import Planning */

          """
        },
        "Sources/ClassAveraging/Pairs/Earlier.swift": { _ in
          "func used(_ value: Planted) { value.planted() }\nlet text = #\"\\\"#\n// import Planning\n"
        },
      ])
      #expect(run.status == 0, "\(run.text)")
    }

    @Test(arguments: [
      // A later target, in any form of import; one that is not the target's own to import; a C library.
      ("Execution/Planted.swift", "import Volumes", "Execution imports Volumes, which stands"),
      (
        "ImageModel/Basis/Planted.swift", "@testable import Volumes",
        "ImageModel imports Volumes, which stands"
      ),
      (
        "Volumes/Planted.swift", "package import struct ClassAveraging.Alignment",
        "Volumes imports ClassAveraging, which stands"
      ),
      (
        "MPI/Planted.swift", "#if os(Linux)\n  @preconcurrency import LinearAlgebra\n#endif",
        "MPI imports LinearAlgebra, which stands"
      ),
      ("Report/Planted.swift", "import Volumes", "Report imports Volumes, which Package.swift"),
      ("Resume/Planted.swift", "import CZlib", "Resume imports CZlib, which Package.swift"),
    ]) func aPlantedImportIsNamed(file: String, code: String, problem: String) throws {
      let run = try check(["Sources/\(file)": { _ in "// A line.\n\(code)\n" }])
      let line = code.contains("#if") ? 3 : 2
      #expect(
        run.status == 1 && run.output.contains("error: Sources/\(file):\(line): \(problem)"),
        "\(run.text)")
    }

    @Test func importsOfTestsAreNamed() throws {
      let run = try check(["Tests/MPITests/Planted.swift": { _ in "@testable import Resume\n" }])
      #expect(
        run.status == 1
          && run.output.contains(
            "Tests/MPITests/Planted.swift:1: MPITests imports Resume, which Package.swift"),
        "\(run.text)")
    }

    @Test func targetsOutOfOrderAreNamed() throws {
      let run = try check([
        "Package.swift": {
          $0.replacing(
            #"place("Execution", on: ["MPI"])"#,
            with: #"place("Execution", on: ["MPI", "Volumes"])"#
          )
        }
      ])
      #expect(run.status == 1 && run.output.contains("Execution depends on Volumes"), "\(run.text)")
    }

    @Test func longFilesAreNamed() throws {
      let run = try check([
        "Sources/MPI/Planted.swift": { _ in String(repeating: "// A line.\n", count: 401) }
      ])
      #expect(run.status == 1 && run.output.contains("Planted.swift: 401 lines"), "\(run.text)")
    }
  }
}
