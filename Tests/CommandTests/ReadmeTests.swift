import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// What the README tells a newcomer to type exists and works.
  @Suite struct ReadmeTests {
    private let readme: String
    /// The command lines of the blocks marked as bash.
    private let commands: [[String]]

    init() throws {
      readme = try String(contentsOfFile: Project.path + "/README.md", encoding: .utf8)
      commands = readme.components(separatedBy: "```bash\n").dropFirst().flatMap {
        $0.components(separatedBy: "```")[0].split(separator: "\n").map {
          $0.split(separator: " ").map(String.init)
        }
      }
    }

    @Test func scriptsExist() {
      let scripts = commands.filter { $0[0] == "bash" }.map { $0[1] }
      #expect(scripts == ["cluster/run-demo", "cluster/run-tests"])
      for script in scripts + ["cluster/setup", ".ci/run", "LICENSE"] {
        #expect(FileManager.default.isReadableFile(atPath: "\(Project.path)/\(script)"))
      }
    }

    /// Every script of the section on clusters exists, and the variables for all are those the scripts tell of.
    @Test func theJobScripts() throws {
      let section = readme.components(separatedBy: "## On a cluster")[1]
        .components(separatedBy: "\n## ")[0]
      let scripts = Set(section.matches(of: /`([a-z0-9-]+\.sbatch)`/).map { String($0.1) })
      let folder = Project.path + "/jobscripts"
      let there = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(scripts == Set(there.filter { $0.hasSuffix(".sbatch") }))
      let variables = section.matches(of: #/\n\| `([A-Z_]+)` \|/#).map { String($0.1) }
      #expect(variables.count == 6)
      for script in scripts {
        let text = try String(contentsOfFile: "\(folder)/\(script)", encoding: .utf8)
        let head = text.components(separatedBy: "# Variables;")[1].components(separatedBy: "\n\n")[
          0]
        for variable in variables { #expect(head.contains(variable), "\(script): \(variable)") }
      }
    }

    /// Every kindred line is run, with a small set in place of the user's and of the paper's, and with
    /// the mpirun flags of the tests.
    @Test func theMainJob() throws {
      let folder = try DamagedSet.make()
      let lines = commands.filter { $0.contains(".build/release/kindred") }
      #expect(
        lines.map { $0[$0.firstIndex(of: ".build/release/kindred")! + 1] } == [
          "average", "simulate", "average", "evaluate", "average",
        ])
      for line in lines {
        let at = line.firstIndex(of: ".build/release/kindred")!
        var arguments = line[(at + 1)...].map { argument in
          switch argument {
          case "particles.star": folder.file("set/particles.star")
          case "averaged", "simulated": folder.file(argument)
          case "simulated/particles.star": folder.file(argument)
          default: argument
          }
        }
        if arguments[0] == "simulate" {
          arguments += ["--images", "60", "--box", "33", "--pixel-size", "5.64", "--snr", "1/5"]
        } else if arguments[0] == "average" {
          arguments += ["--overwrite"]
        }
        let ranks = line[0] == "mpirun" ? min(2, Int(line[2])!) : nil
        let run = try Command.run(arguments, ranks: ranks)
        #expect(run.status == 0, "\(line)\n\(run.text)")
      }
    }

    @Test func theTableOfFilesIsThatOfARun() throws {
      let table = readme.components(separatedBy: "### Output")[1]
        .components(separatedBy: "###")[0].split(separator: "\n").filter { $0.hasPrefix("| `") }
      let listed = table.flatMap { row in
        row.split(separator: "|")[0].matches(of: /`([a-z.]+)`/).map { String($0.1) }
      }
      #expect(listed.sorted() == RunOutput.fileNames)
    }
  }
}
