import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// The check that no arrow between the source's places runs back up.
  @Suite(.enabled(if: Command.canRun("python3"), "no python3")) struct ArrowsTests {
    /// What the check says of the source with one file changed.
    private func check(_ file: String, _ change: (String) -> String) throws -> Command {
      let folder = try TemporaryFolder()
      let manager = FileManager.default
      for name in ["Package.swift", "Sources"] {
        try manager.copyItem(atPath: "\(Project.path)/\(name)", toPath: folder.file(name))
      }
      let text = manager.fileExists(atPath: folder.file(file)) ? try folder.text(file) : ""
      try folder.write(change(text), to: file)
      return try Command.runProgram([
        "python3", "\(Project.path)/.ci/check-arrows", folder.path,
      ])
    }

    @Test func noneRunsBackUp() throws {
      let run = try check("Package.swift") { $0 }
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
      let run = try check("Sources/\(file)") { _ in code + "\n" }
      #expect(
        run.status == 1 && run.output.contains("error: Sources/\(file): names "), "\(run.text)")
    }

    @Test func targetsOutOfOrderAreNamed() throws {
      let run = try check("Package.swift") {
        $0.replacing(
          #"place("Execution", on: ["MPI"])"#, with: #"place("Execution", on: ["MPI", "Volumes"])"#)
      }
      #expect(run.status == 1 && run.output.contains("Execution depends on Volumes"), "\(run.text)")
    }

    @Test func longFilesAreNamed() throws {
      let run = try check("Sources/MPI/Planted.swift") { _ in
        String(repeating: "// A line.\n", count: 401)
      }
      #expect(run.status == 1 && run.output.contains("Planted.swift: 401 lines"), "\(run.text)")
    }
  }
}
