import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.Closeable;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceInstanceBuilder;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.curator.x.discovery.details.ServiceCacheListener;

/**
 * A Java service and a Java caller in one process, on Apache Curator's own service discovery. Commands come as lines of JSON on
 * stdin, `{"call":1,"do":"register",...}`; answers go out as lines, `{"call":1,"value":...}` or `{"call":1,"error":"..."}`, and the
 * lists of a cache as `{"cache":"name","instances":[...]}`. It ends with its stdin, so it cannot outlive whoever started it.
 */
public final class CuratorFleet {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final CuratorFramework client;
  /** By base path and payload class. */
  private final Map<String, ServiceDiscovery<Object>> discoveries = new HashMap<>();
  private final Map<String, ServiceProvider<Object>> providers = new HashMap<>();

  private CuratorFleet(CuratorFramework client) {
    this.client = client;
  }

  public static void main(String[] args) throws Exception {
    CuratorFramework client =
        CuratorFrameworkFactory.newClient(args[0], 10_000, 10_000, new RetryOneTime(500));
    client.start();
    client.blockUntilConnected();
    new CuratorFleet(client).serve();
    client.close();
    System.exit(0);
  }

  private void serve() throws Exception {
    say(JSON.createObjectNode().put("call", 0).put("value", "connected"));
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode command = JSON.readTree(line);
      ObjectNode answer = JSON.createObjectNode().set("call", command.get("call"));
      try {
        answer.set("value", carryOut(command));
      } catch (Exception error) {
        answer.put("error", error.toString());
      }
      say(answer);
    }
  }

  private JsonNode carryOut(JsonNode command) throws Exception {
    String name = command.path("name").asText();
    switch (command.get("do").asText()) {
      case "register": {
        ServiceInstance<Object> instance = instanceOf(command);
        discovery(command).registerService(instance);
        return show(instance);
      }
      case "unregister":
        discovery(command).unregisterService(instanceOf(command));
        return null;
      case "list": {
        ArrayNode list = JSON.createArrayNode();
        for (ServiceInstance<Object> each : discovery(command).queryForInstances(name)) list.add(show(each));
        return list;
      }
      case "pick": {
        ServiceInstance<Object> picked = provider(command).getInstance();
        return picked == null ? null : show(picked);
      }
      case "cache":
        return watch(command);
      default:
        throw new IllegalArgumentException("no such command: " + command);
    }
  }

  @SuppressWarnings("unchecked")
  private ServiceDiscovery<Object> discovery(JsonNode command) throws Exception {
    String base = command.get("base").asText();
    String payloadClass = command.path("payloadClass").asText("java.lang.Void");
    String key = base + " " + payloadClass;
    if (!discoveries.containsKey(key)) {
      ServiceDiscovery<Object> discovery =
          ServiceDiscoveryBuilder.builder((Class<Object>) Class.forName(payloadClass))
              .client(client)
              .basePath(base)
              .build();
      discovery.start();
      discoveries.put(key, discovery);
    }
    return discoveries.get(key);
  }

  private ServiceProvider<Object> provider(JsonNode command) throws Exception {
    String name = command.get("name").asText();
    String key = command.get("base") + name;
    if (!providers.containsKey(key)) {
      ServiceProvider<Object> provider =
          discovery(command).serviceProviderBuilder().serviceName(name).build();
      provider.start();
      providers.put(key, provider);
    }
    return providers.get(key);
  }

  private JsonNode watch(JsonNode command) throws Exception {
    String name = command.get("name").asText();
    ServiceCache<Object> cache = discovery(command).serviceCacheBuilder().name(name).build();
    cache.addListener(
        new ServiceCacheListener() {
          @Override
          public void cacheChanged() {
            tell(name, cache);
          }

          @Override
          public void stateChanged(CuratorFramework of, ConnectionState state) {}
        });
    cache.start();
    tell(name, cache);
    return null;
  }

  private static void tell(String name, ServiceCache<Object> cache) {
    ObjectNode line = JSON.createObjectNode().put("cache", name);
    ArrayNode list = line.putArray("instances");
    for (ServiceInstance<Object> each : cache.getInstances()) list.add(show(each));
    say(line);
  }

  private static ServiceInstance<Object> instanceOf(JsonNode command) throws Exception {
    ServiceInstanceBuilder<Object> builder =
        ServiceInstance.builder()
            .name(command.get("name").asText())
            .address(command.get("address").asText())
            .serviceType(ServiceType.valueOf(command.path("type").asText("DYNAMIC")));
    if (command.has("id")) builder.id(command.get("id").asText());
    if (command.has("port")) builder.port(command.get("port").asInt());
    if (command.has("sslPort")) builder.sslPort(command.get("sslPort").asInt());
    if (command.has("uriSpec")) builder.uriSpec(new UriSpec(command.get("uriSpec").asText()));
    if (command.has("enabled")) builder.enabled(command.get("enabled").asBoolean());
    if (command.has("payload")) {
      Class<?> payloadClass = Class.forName(command.get("payloadClass").asText());
      builder.payload(JSON.convertValue(command.get("payload"), payloadClass));
    }
    return builder.build();
  }

  private static JsonNode show(ServiceInstance<Object> instance) {
    ObjectNode shown =
        JSON.createObjectNode()
            .put("id", instance.getId())
            .put("address", instance.getAddress())
            .put("port", instance.getPort())
            .put("enabled", instance.isEnabled());
    if (instance.getUriSpec() != null) shown.put("uri", instance.buildUriSpec());
    if (instance.getPayload() != null) shown.set("payload", JSON.valueToTree(instance.getPayload()));
    return shown;
  }

  /** Caches tell from threads of their own. */
  private static synchronized void say(JsonNode line) {
    System.out.println(line);
  }
}
